rule rewind_weights:
    input:
        network="<network>/training/initial.pt",
        history="<network>/training/history.csv",
        train="<images>/train.h5",
        validation="<images>/validation.h5",
    output:
        network="<network>/tickets/rewound.pt",
    log:
        "<network_logs>/rewind_weights.log",
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=growing(8000),
        gpu=gpus,
        runtime=growing(720),
    params:
        **made_by("rewind_weights", "torch"),
        options=stage_options.rewinding(STUDY),
    message:
        "Train {wildcards.model} again for the epochs that tickets go back to, seed {wildcards.seed}."
    script:
        "../workflow/rewind_weights.py"


rule prune_ticket:
    input:
        unpack(lambda wildcards: stage_files.ticket_round(wildcards.round)),
    output:
        mask="<network>/tickets/{round}/mask.h5",
        manifest="<network>/tickets/{round}/mask.json",
    log:
        "<network_logs>/prune_ticket/{round}.log",
    conda:
        "../envs/torch.yaml"
    params:
        **made_by("prune_ticket", "torch"),
        options=lambda wildcards: stage_options.ticket_round(STUDY, wildcards.round),
    message:
        "Close the smallest weights, seed {wildcards.seed}: round {wildcards.round}."
    script:
        "../workflow/prune_ticket.py"


rule train_ticket:
    input:
        network=stage_files.rewound(STUDY),
        mask="<network>/tickets/{round}/mask.h5",
        train="<images>/train.h5",
        validation="<images>/validation.h5",
        test="<images>/test.h5",
    output:
        network="<network>/tickets/{round}/{kind}/network.pt",
        history="<network>/tickets/{round}/{kind}/history.csv",
        table="<network>/tickets/{round}/{kind}/network.csv",
        bits="<network>/tickets/{round}/{kind}/network.h5",
        manifest="<network>/tickets/{round}/{kind}/manifest.json",
    log:
        "<network_logs>/train_ticket/{round}/{kind}.log",
    wildcard_constraints:
        kind=alternatives({cell.kind for cell in STUDY.tickets}),
    conda:
        "../envs/torch.yaml"
    threads: config["threads"]
    resources:
        mem_mb=growing(8000),
        gpu=gpus,
        runtime=growing(720),
        images_per_batch=125,
    params:
        **made_by("train_ticket", "torch"),
        options=lambda wildcards: stage_options.ticket(STUDY, wildcards.round, wildcards.kind),
    message:
        "Train a ticket of {wildcards.model}, seed {wildcards.seed}, round {wildcards.round}: {wildcards.kind}."
    script:
        "../workflow/train_ticket.py"


rule collect_tickets:
    input:
        tickets=of_networks("tickets/{cell.path}/network.csv", cell=STUDY.tickets),
        ticket_bits=of_networks("tickets/{cell.path}/network.h5", cell=STUDY.tickets),
        masks=of_networks("tickets/{round}/mask.json", round=STUDY.rounds),
        dense=of_networks("training/trained.pt"),
        evaluated=of_networks("evaluation/{family}.csv", family=STUDY.chance),
        evaluated_bits=of_networks("evaluation/{family}.h5", family=STUDY.chance),
    output:
        table="<results>/tables/tickets.csv",
        means="<results>/tables/tickets.means.csv",
        masks="<results>/tables/tickets.masks.csv",
        manifest="<results>/tables/tickets.json",
    log:
        "<logs>/collect_tickets.log",
    conda:
        "../envs/tables.yaml"
    params:
        **made_by("collect_tickets", "tables"),
        options=page_options.tables_of_zeros(STUDY),
    message:
        "Collect the tickets, with paired intervals."
    script:
        "../workflow/collect_tickets.py"


rule plot_tickets:
    input:
        table=rules.collect_tickets.output.table,
        means=rules.collect_tickets.output.means,
        masks=rules.collect_tickets.output.masks,
        histories=of_networks("tickets/{cell.path}/history.csv", cell=STUDY.tickets),
    output:
        **figure("tickets.{ticket_figure}", "plot_tickets", "Tickets", "tickets_numbers", figure="{ticket_figure}"),
    log:
        "<logs>/plot_tickets/{ticket_figure}.log",
    conda:
        "../envs/figures.yaml"
    params:
        **made_by("plot_tickets", "figures"),
        options=lambda wildcards: page_options.tickets_figure(STUDY, wildcards.ticket_figure),
    message:
        "Draw the tickets: {wildcards.ticket_figure}."
    script:
        "../workflow/plot_tickets.py"
