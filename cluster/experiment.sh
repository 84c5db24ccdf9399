#!/usr/bin/env bash
# One experiment, on whatever machine this is: clone, train what no other experiment has pushed, push.
#
#     cluster/experiment.sh GIT_URL COMMIT NAME [ARGUMENT OF dvc exp run ...]
#     cluster/experiment.sh git@host:team/fsrcnn.git 1a2b3c4 x2-slow -S scale=2 -S train.learning_rate=0.003
#
# Needs the environment of `make install`, MLFLOW_TRACKING_URI, and a DVC remote in the repository (docs/team.md).
# The experiment enters the Git remote last: one that is there is whole, and one that is not can be started again.
set -euo pipefail
url=$1 commit=$2 name=$3
shift 3
: "${MLFLOW_TRACKING_URI:?names the MLflow server of all jobs}"

clone=$(mktemp -d)
trap 'rm -rf "$clone"' EXIT
git clone --quiet "$url" "$clone"
cd "$clone"
git checkout --quiet --detach "$commit"
commit=$(git rev-parse HEAD)
if git ls-remote --exit-code origin "refs/exps/${commit:0:2}/${commit:2}/$name"; then
    echo "experiment $name of this commit is pushed already"
    exit
fi

dvc exp run --pull --name "$name" "$@" # --pull: what the others pushed, by DVC's run cache
python scripts/send_tracking.py        # what MLflow did not take while it trained
python cluster/end_lost_runs.py "$name"
dvc push --run-cache
dvc exp push --no-cache origin "$name"
