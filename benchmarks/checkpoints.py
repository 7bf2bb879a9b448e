"""Networks of given weights get as many of 10,000 test images right as their makers state.

    SECATEUR_DATA=FOLDER python benchmarks/checkpoints.py

FOLDER holds CIFAR-10 and the files of `cifar.TRAINED`. An oracle of loader, models, normalisation and evaluation; the
tests ask the same of fewer images. Fails where a count differs.
"""

import time

import numpy as np

import cifar
from secateur.evaluation import measuring

# Test images of CIFAR-10 that are right: errors of 8.27, 7.37 and 6.61 % are stated at
# github.com/akamaster/pytorch_resnet_cifar10, and 88.27 % for the VGG16, with these counts by class.
STATED = {"vgg16_bn": 8827, "resnet20": 9173, "resnet32": 9263, "resnet56": 9339}
BY_CLASS = [923, 947, 827, 731, 865, 829, 928, 910, 931, 936]


def main():
    failed = []
    for name, stated in STATED.items():
        images, labels = cifar.shown(10_000, name)
        start = time.process_time()
        batches = zip(images.split(250), labels.split(250), strict=True)
        found = measuring.over(measuring.prepared(cifar.network(name)), batches)
        right = int(found.right.sum())
        print(f"{name}: {right} right, {stated} stated, in {time.process_time() - start:.0f} CPU seconds", flush=True)
        if right != stated or (name == "vgg16_bn" and list(np.rint(found.by_class * 1000)) != BY_CLASS):
            failed.append(name)
    if failed:
        raise SystemExit(f"other counts than stated: {', '.join(failed)}")


if __name__ == "__main__":
    main()
