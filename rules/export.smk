rule export_model:
    input:
        network="<results>/{dataset}/{model}/{seed}/training/trained.pt",
        images="<results>/{dataset}/images/test.h5",
        ranking="<results>/{dataset}/{model}/{seed}/ranking/{criterion}.csv",
        table=evaluation_of("csv"),
        bits=evaluation_of("h5"),
    output:
        weights="<results>/{dataset}/{model}/{seed}/export/{criterion}/{level}/weights.safetensors",
        architecture="<results>/{dataset}/{model}/{seed}/export/{criterion}/{level}/architecture.json",
        program="<results>/{dataset}/{model}/{seed}/export/{criterion}/{level}/model.pt2",
        onnx="<results>/{dataset}/{model}/{seed}/export/{criterion}/{level}/model.onnx",
        latency="<results>/{dataset}/{model}/{seed}/export/{criterion}/{level}/latency.csv",
        card="<results>/{dataset}/{model}/{seed}/export/{criterion}/{level}/README.md",
        page=report(
            "<results>/{dataset}/{model}/{seed}/export/{criterion}/{level}/card.html",
            caption="../report/export_model.rst",
            category="Export",
            labels={"criterion": "{criterion}", "level": "{level}", "seed": "{seed}"},
        ),
        manifest="<results>/{dataset}/{model}/{seed}/export/{criterion}/{level}/manifest.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/export_model/{criterion}/{level}.log",
    wildcard_constraints:
        criterion=alternatives({entry["criterion"] for entry in config["export"]}),
        level=alternatives({entry["level"] for entry in config["export"]}),
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
        "Export {wildcards.model} without {wildcards.level} of its channels by {wildcards.criterion}, seed {wildcards.seed}."
    script:
        "../workflow/export_model.py"
