rule export_model:
    input:
        unpack(lambda wildcards: stage_files.exported(STUDY, f"{wildcards.criterion}/{wildcards.exported}")),
        network="<network>/training/trained.pt",
        images="<images>/test.h5",
        ranking="<network>/ranking/{criterion}.csv",
    output:
        **exported("<network>/export/{criterion}/{exported}", criterion="{criterion}", network="{exported}"),
    log:
        "<network_logs>/export_model/{criterion}/{exported}.log",
    wildcard_constraints:
        criterion=alternatives({entry["criterion"] for entry in config["export"]}),
        exported=alternatives({name.rpartition("/")[2] for name in STUDY.exported}),
    conda:
        "../envs/export.yaml"
    threads: config["threads"]
    resources:
        mem_mb=growing(8000),
        runtime=growing(60),
        images_per_batch=125,
    params:
        **made_by("export_model", "export"),
        options=lambda wildcards: stage_options.export(STUDY, f"{wildcards.criterion}/{wildcards.exported}"),
    message:
        "Export {wildcards.model} as {wildcards.exported}, ranked by {wildcards.criterion}, seed {wildcards.seed}."
    script:
        "../workflow/export_model.py"


rule export_sparse:
    input:
        unpack(lambda wildcards: stage_files.exported_sparse(STUDY, wildcards.variant, wildcards.level)),
        images="<images>/test.h5",
    output:
        **exported("<network>/export/sparsity.{variant}/{level}", criterion="sparsity.{variant}", network="{level}"),
    log:
        "<network_logs>/export_sparse/{variant}/{level}.log",
    wildcard_constraints:
        level=alternatives({cell.level for cell in STUDY.sparse_cells}),
    conda:
        "../envs/export.yaml"
    threads: config["threads"]
    resources:
        mem_mb=growing(8000),
        runtime=growing(60),
        images_per_batch=125,
    params:
        **made_by("export_sparse", "export"),
        options=lambda wildcards: stage_options.sparse_export(STUDY, wildcards.variant, wildcards.level),
    message:
        "Export {wildcards.model} with {wildcards.level} zero weights: {wildcards.variant}, seed {wildcards.seed}."
    script:
        "../workflow/export_sparse.py"
