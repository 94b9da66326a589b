#!/bin/sh
# Runs one stage of `make test` and prints how long it took: ops/stage.sh TITLE COMMAND...
title=$1
shift
start=$(date +%s%N)
"$@"
status=$?
spent=$((($(date +%s%N) - start) / 1000000))
[ $status = 0 ] && word=ok || word="FAILED ($status)"
printf '%-14s %-12s %d.%03d s\n' "$title" "$word" $((spent / 1000)) $((spent % 1000))
exit $status
