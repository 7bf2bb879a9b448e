#!/bin/sh
# Tells Snakemake what has become of a job of SLURM, in one word: running, success or failed.
# For another queue, change what is asked: `qstat -f -x ID` (PBS), `qstat -j ID` and then `qacct -j ID` (SGE).
state=$(scontrol --oneliner show job "$1" 2> /dev/null | sed -n 's/.* JobState=\([A-Z_]*\).*/\1/p')
# A controller forgets a job some minutes after its end; where there is an accounting database, that one knows.
[ -n "$state" ] || state=$(sacct --noheader --parsable2 --allocations --format=State --jobs "$1" 2> /dev/null)
case "$state" in
    COMPLETED) echo success ;;
    BOOT_FAIL* | CANCELLED* | DEADLINE* | FAILED* | NODE_FAIL* | OUT_OF_MEMORY* | PREEMPTED* | TIMEOUT*) echo failed ;;
    *) echo running ;;
esac
