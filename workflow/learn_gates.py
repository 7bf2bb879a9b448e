"""Train gates in front of the units of one network, and write what they chose as a score of each channel."""

from pathlib import Path

import pandas

from secateur import ranking
from secateur.artifacts import tables
from secateur.images import store
from secateur.jobs import devices
from secateur.models import checkpoints, freezing
from secateur.selection import learning
from secateur.training import loop
from secateur.units import finding

COLUMNS = (*loop.COLUMNS, "kept_units", "gate_changes")


def learn_gates(inputs, outputs, options, seed, facts, stamp):
    """Returns facts for the manifest. `options` are those of stage_options.learning, `facts` go into the network."""
    device = devices.chosen(options["device"])
    dense = checkpoints.load(inputs["network"], device)
    model, described = dense.model, dense.description
    freezing.trainable(model, options["model"]["trainable"])
    units = finding.find(model, described.zeros(1), options["residual"], options["linear"])
    table = finding.table(units)
    widths, scores = None, None
    if options["learned"]["widths"] is not None:
        widths = ranking.widths_of(table, options["learned"]["widths"])
    if inputs.get("start"):
        scores = ranking.scores(tables.read(inputs["start"], "layer", "channel", "score"), table, "score").to_dict()
    partial = f"{outputs['network']}.partial"
    with (
        store.opened(inputs["train"]) as train,
        store.opened(inputs["validation"]) as validation,
        store.opened(inputs["calibration"]) as calibration,
    ):
        for images in (train, validation, calibration):
            checkpoints.same_images(described, images, inputs["network"])
        rows = store.chosen(calibration, most=options["learned"]["calibration"]["images"])
        pixels = calibration.normalised(rows).to(device)
        material = learning.Material(train, validation, pixels, options["learned"], seed, partial, stamp)
        selected = learning.selected(model, units, widths, scores, material)
    checkpoints.save(outputs["network"], selected.model, described, dense.facts | facts)
    tables.write(pandas.DataFrame(selected.history, columns=COLUMNS), outputs["history"])
    tables.write(learning.table(selected.scores, units), outputs["table"])
    Path(partial).unlink(missing_ok=True)
    removed = sum(map(len, selected.channels.values()))
    return {"units": len(units.units), "closed": removed, "dead": int(selected.dead.sum())}
