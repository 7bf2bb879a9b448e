rule export_model:
    input:
        unpack(exported_files),
        network="<results>/{dataset}/{model}/{seed}/training/trained.pt",
        images="<results>/{dataset}/images/test.h5",
        ranking="<results>/{dataset}/{model}/{seed}/ranking/{criterion}.csv",
    output:
        weights="<results>/{dataset}/{model}/{seed}/export/{criterion}/{exported}/weights.safetensors",
        architecture="<results>/{dataset}/{model}/{seed}/export/{criterion}/{exported}/architecture.json",
        program="<results>/{dataset}/{model}/{seed}/export/{criterion}/{exported}/model.pt2",
        onnx="<results>/{dataset}/{model}/{seed}/export/{criterion}/{exported}/model.onnx",
        latency="<results>/{dataset}/{model}/{seed}/export/{criterion}/{exported}/latency.csv",
        card="<results>/{dataset}/{model}/{seed}/export/{criterion}/{exported}/README.md",
        page=report(
            "<results>/{dataset}/{model}/{seed}/export/{criterion}/{exported}/card.html",
            caption="../report/export_model.rst",
            category="Export",
            labels={"criterion": "{criterion}", "network": "{exported}", "seed": "{seed}"},
        ),
        manifest="<results>/{dataset}/{model}/{seed}/export/{criterion}/{exported}/manifest.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/export_model/{criterion}/{exported}.log",
    wildcard_constraints:
        criterion=alternatives({entry["criterion"] for entry in config["export"]}),
        exported=alternatives({name.rpartition("/")[2] for name in EXPORTED}),
    conda:
        "../envs/export.yaml"
    threads: config["threads"]
    resources:
        mem_mb=8000,
        runtime=60,
        images_per_batch=125,
    params:
        options=export_options,
        code=code_digest("export_model"),
        environment=environment_digest("export"),
    message:
        "Export {wildcards.model} as {wildcards.exported}, ranked by {wildcards.criterion}, seed {wildcards.seed}."
    script:
        "../workflow/export_model.py"
