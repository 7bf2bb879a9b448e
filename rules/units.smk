rule check_levels:
    input:
        images="<images>/train.h5",
    output:
        manifest="<results>/{dataset}/{model}/levels.json",
    log:
        "<logs>/{dataset}/{model}/check_levels.log",
    # Before a training that would be of no use.
    priority: 2
    conda:
        "../envs/torch.yaml"
    params:
        **made_by("check_levels", "torch"),
        options=stage_options.levels(STUDY),
    message:
        "Check that every level can be reached."
    script:
        "../workflow/check_levels.py"


rule list_units:
    input:
        images="<images>/train.h5",
    output:
        **table("<network>/units/units"),
    log:
        "<network_logs>/list_units.log",
    # A network without units is not worth training.
    priority: 1
    conda:
        "../envs/torch.yaml"
    params:
        **made_by("list_units", "torch"),
        options=stage_options.units(STUDY),
    message:
        "List the units of {wildcards.model}."
    script:
        "../workflow/list_units.py"


rule list_stages:
    input:
        network="<network>/training/initial.pt",
    output:
        **table("<network>/units/stages"),
        structures="<network>/units/structures.csv",
    log:
        "<network_logs>/list_stages.log",
    conda:
        "../envs/torch.yaml"
    params:
        **made_by("list_stages", "torch"),
    message:
        "List the stages and structures of {wildcards.model}: what can be compared with what."
    script:
        "../workflow/list_stages.py"
