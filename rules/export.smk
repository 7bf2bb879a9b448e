rule export_model:
    input:
        unpack(lambda wildcards: stage_files.exported(STUDY, f"{wildcards.criterion}/{wildcards.exported}")),
        network="<network>/training/trained.pt",
        images="<images>/test.h5",
        ranking="<network>/ranking/{criterion}.csv",
    output:
        weights="<network>/export/{criterion}/{exported}/weights.safetensors",
        architecture="<network>/export/{criterion}/{exported}/architecture.json",
        program="<network>/export/{criterion}/{exported}/model.pt2",
        onnx="<network>/export/{criterion}/{exported}/model.onnx",
        latency="<network>/export/{criterion}/{exported}/latency.csv",
        card="<network>/export/{criterion}/{exported}/README.md",
        page=report(
            "<network>/export/{criterion}/{exported}/card.html",
            caption="../report/export_model.rst",
            category="Export",
            labels={"criterion": "{criterion}", "network": "{exported}", "seed": "{seed}"},
        ),
        manifest="<network>/export/{criterion}/{exported}/manifest.json",
    log:
        "<network_logs>/export_model/{criterion}/{exported}.log",
    wildcard_constraints:
        criterion=alternatives({entry["criterion"] for entry in config["export"]}),
        exported=alternatives({name.rpartition("/")[2] for name in STUDY.exported}),
    conda:
        "../envs/export.yaml"
    threads: config["threads"]
    resources:
        mem_mb=8000,
        runtime=60,
        images_per_batch=125,
    params:
        **made_by("export_model", "export"),
        options=lambda wildcards: stage_options.export(STUDY, f"{wildcards.criterion}/{wildcards.exported}"),
    message:
        "Export {wildcards.model} as {wildcards.exported}, ranked by {wildcards.criterion}, seed {wildcards.seed}."
    script:
        "../workflow/export_model.py"
