rule fetch_images:
    output:
        verified="data/{download}/verified.json",
    log:
        "<logs>/fetch_images/{download}.log",
    localrule: True
    conda:
        "../envs/fetch.yaml"
    params:
        options=download_options,
        code=code_digest("fetch_images"),
        environment=environment_digest("fetch"),
    message:
        "Find or download {wildcards.download}, and check it."
    script:
        "../workflow/fetch_images.py"


rule prepare_images:
    input:
        verified=downloaded,
    output:
        train="<results>/{dataset}/images/train.h5",
        rank="<results>/{dataset}/images/rank.h5",
        validation="<results>/{dataset}/images/validation.h5",
        test="<results>/{dataset}/images/test.h5",
    log:
        "<logs>/{dataset}/prepare_images.log",
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        options=image_options(),
        code=code_digest("prepare_images"),
        environment=environment_digest("torch"),
    message:
        "Divide the images of {wildcards.dataset} into train, rank, validation and test."
    script:
        "../workflow/prepare_images.py"
