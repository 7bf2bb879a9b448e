rule list_units:
    input:
        network="<results>/{dataset}/{model}/{seed}/training/initial.pt",
    output:
        table="<results>/{dataset}/{model}/{seed}/units/units.csv",
        manifest="<results>/{dataset}/{model}/{seed}/units/units.json",
    log:
        "<logs>/{dataset}/{model}/{seed}/list_units.log",
    conda:
        "../envs/torch.yaml"
    params:
        code=code_digest("list_units"),
        environment=environment_digest("torch"),
    message:
        "List what can be removed from {wildcards.model}."
    script:
        "../workflow/list_units.py"
