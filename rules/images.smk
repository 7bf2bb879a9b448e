rule fetch_images:
    output:
        verified="data/{download}/verified.json",
    log:
        "<logs>/fetch_images/{download}.log",
    localrule: True
    conda:
        "../envs/fetch.yaml"
    params:
        **made_by("fetch_images", "fetch"),
        options=lambda wildcards: stage_options.download(wildcards.download),
    message:
        "Find or download {wildcards.download}, and verify its checksums."
    script:
        "../workflow/fetch_images.py"


rule prepare_images:
    input:
        verified=stage_files.downloaded(STUDY),
    output:
        train="<images>/train.h5",
        rank="<images>/rank.h5",
        validation="<images>/validation.h5",
        test="<images>/test.h5",
    log:
        "<logs>/{dataset}/prepare_images.log",
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        **made_by("prepare_images", "torch"),
        options=image_options(),
    message:
        "Split the images of {wildcards.dataset} into train, rank, validation and test."
    script:
        "../workflow/prepare_images.py"
