#!/bin/sh
# One night's work on a workspace, for cron or a systemd timer: takes the cycle as far as it goes without people.
# Usage: nightly.sh WORKSPACE        (seedgate on PATH; budgets and everything else in the workspace's seedgate.toml)
#
# Exit codes are those of `seedgate cycle`, but that 75 (reviewers are needed) is no failure here: what was generated waits
# for them in Argilla, and the next night goes on from what they decided.
set -eu
workspace=${1:?usage: nightly.sh WORKSPACE}
cd "$workspace"

seedgate cycle --dry-run # what is ahead, for the log
code=0
seedgate cycle || code=$?
case $code in
  0) seedgate audit ;;
  75) echo "waiting for reviewers: seedgate status says for whom" ;;
  *) exit "$code" ;;
esac
seedgate report --html report.html >/dev/null
