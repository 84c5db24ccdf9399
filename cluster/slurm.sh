#!/usr/bin/env bash
# Experiments as a Slurm job array, each a job of cluster/experiment.sh: task N does line N of a file, which is a name
# and arguments of `dvc exp run`.
#
#     export MLFLOW_TRACKING_URI=http://10.0.0.1:5000
#     sbatch --array=1-$(wc -l < experiments.txt) cluster/slurm.sh GIT_URL COMMIT experiments.txt
#
# From a clone on the shared file system, in the environment of `make install`. Slurm starts a job again whose node
# dies, and no job that fails.
#SBATCH --job-name=fsrcnn
#SBATCH --cpus-per-task=2
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%A_%a.log
set -euo pipefail
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
read -ra experiment < <(sed --quiet "${SLURM_ARRAY_TASK_ID}p" "$3")
exec cluster/experiment.sh "$1" "$2" "${experiment[@]}"
