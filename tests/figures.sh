#!/bin/bash
# tests/figures.sh FILE: the sums of the figures that test programs wrote there (RINGPOST_FIGURES), as a table.
awk '
    BEGIN {
        names = "schedules=schedules simulated|weak_schedules=schedules under weak memory|thread_runs=runs of scenarios as threads"
        names = names "|kills=processes killed|stops=processes stopped|instructions=instructions at which a process was killed"
        names = names "|images=different memories which that left|disks=disks read after a loss of power or other harm"
        names = names "|fuzz_executions=fuzz executions|mutants_caught=seeded defects noticed"
        names = names "|violations=violations"
        count = split(names, row, "|")
    }
    NF == 2 { sum[$1] += $2 }
    function grouped(n,    text) {
        text = sprintf("%d", n)
        while (match(text, /[0-9][0-9][0-9][0-9]/))
            sub(/[0-9][0-9][0-9]($|,)/, ",&", text)
        return text
    }
    END {
        for (i = 1; i <= count; i++) {
            split(row[i], part, "=")
            if (part[1] in sum)
                printf "%16s  %s\n", grouped(sum[part[1]]) (part[1] == "mutants_caught" ? " of " sum["mutants"] : ""), part[2]
        }
    }' "$1"
