"""Units of networks that were not prepared for pruning, and a check that removal equals masking.

    python benchmarks/strangers.py [--models resnet18 ...] [--timm resnest14d ...] [--linear]

Without names, every classifier of torchvision; `--timm` alone takes the list below, and needs `pip install timm`.
Weights are random, BatchNorm's statistics drawn, numbers float64; 40 % of the units go at random, one channel of each
layer stays. Each row has the units, the share of the convolutions' channels that they hold, CPU seconds to find them,
and the largest difference of the logits as a share of their range; or why a network is refused, in one line.
"""

import argparse
import time
import warnings

import torch
from torch import nn

import networks
from secateur.pruning import masking, removal
from secateur.units import finding

TIMM = """
resnet26d resnext50_32x4d seresnet18 skresnet18 ecaresnet26t resnest14d res2net50_26w_4s resnetv2_50 efficientnet_b0
mobilenetv3_small_100 mnasnet_100 fbnetc_100 ghostnet_100 ghostnetv2_100 regnety_002 regnetz_005 convnext_atto
convnextv2_atto densenet121 dla34 hrnet_w18_small vgg11_bn inception_v4 inception_resnet_v2 xception41 dpn68
cspresnet50 cspdarknet53 darknet53 selecsls42 repvgg_a0 rexnet_100 hardcorenas_a tf_efficientnetv2_b0 mixnet_s gernet_s
lcnet_050 tinynet_e semnasnet_075 edgenext_xx_small mobileone_s0 fastvit_t8 hgnetv2_b0 starnet_s1 repghostnet_050
inception_next_atto rdnet_tiny vovnet39a ese_vovnet19b_dw nf_resnet26 nfnet_l0 botnet26t_256 lambda_resnet26t
poolformer_s12 convmixer_768_32 mobilevit_xxs tresnet_m legacy_senet154 efficientvit_b0 levit_128s repvit_m0_9
mobilenetv4_conv_small test_resnet test_byobnet test_efficientnet
"""
# Image sizes of networks that do not accept 96 pixels.
LARGE = {"inception_v3": 299, "inception_v4": 224, "inception_resnet_v2": 224, "botnet26t_256": 256, "levit_128s": 224}


def built(name, library):
    """(model in eval mode and float64, images), with BatchNorm statistics that do not zero a channel by chance."""
    torch.manual_seed(0)
    if library == "timm":
        import timm

        model, size = timm.create_model(name, num_classes=5), LARGE.get(name, 96)
    else:
        import torchvision

        model, size = torchvision.models.get_model(name, num_classes=5), 224
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    return model.double().eval(), torch.randn(2, 3, size, size, dtype=torch.float64)


@torch.no_grad()
def examined(name, library, linear):
    """(a row, "whole", "part" or "refused")."""
    model, images = built(name, library)
    start = time.process_time()
    try:
        units = finding.find(model, images, linear=linear)
    except ValueError as error:
        return f"refused: {str(error)[:150]}", "refused"
    spent = time.process_time() - start
    convolutions = units.coupled.convolutions
    channels = sum(len(units.coupled.outputs[layer]) for layer in convolutions)
    removable = sum(layer in convolutions for unit in units.units for layer, _ in unit.channels)
    plan = networks.drawn(units, 0.4)
    smaller = removal.removed(model, plan, images, units.coupled)(images)
    with masking.masked(model, plan, units.coupled) as network:
        masked = network(images)
    difference = float((smaller - masked).abs().max() / (masked.max() - masked.min()))
    if not difference < 1e-9:
        raise SystemExit(f"{name}: removal differs from masking by {difference:.1e} of the logits' range")
    row = f"{len(units.units):7,d} units  {removable / channels:5.0%} of the channels  {spent:5.2f} s  {difference:.0e}"
    if removable == channels:
        return row, "whole"
    return row, "part"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", help="torchvision's classifiers by name; all of them without names")
    parser.add_argument("--timm", nargs="*", help="networks of timm by name; the list in this file without names")
    parser.add_argument("--linear", action="store_true", help="features of linear layers are units too")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    if arguments.timm is not None:
        names, library = arguments.timm or TIMM.split(), "timm"
    else:
        import torchvision

        names, library = arguments.models or torchvision.models.list_models(torchvision.models), "torchvision"
    linear = "units" if arguments.linear else "protected"
    counts = {"whole": 0, "part": 0, "refused": 0}
    for name in names:
        row, outcome = examined(name, library, linear)
        counts[outcome] += 1
        print(f"{name:24s} {row}", flush=True)
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))


if __name__ == "__main__":
    main()
