//! What the help of each command ends with.

pub const ALL: &str = "\
Start with:
  moelab init lab && cd lab     a small project
  moelab doctor                 whether everything is there
  moelab run quickstart         run it, then see the table

Variables: MOELAB_DATA (--data), MOELAB_LOG (warn; info, debug), NO_COLOR.";

pub const RUN: &str = "\
Examples:
  moelab run quickstart
  moelab run mnist --data ~/data --device cuda:0,cuda:1 --jobs 4
  moelab run quickstart --set alpha=10 --set epochs.moe=5
  moelab run quickstart --only embedding     only that and what it needs
  moelab run mnist --seed 0                  one seed before all
  moelab run moa-cpu --where method=moa_plus --where 'classes=[0,1]'
  moelab run quickstart --keep-going --format json > report.json";

pub const PLAN: &str = "\
Examples:
  moelab plan quickstart
  moelab plan quickstart --set alpha=10      what that would change
  moelab plan quickstart --seed 0            what one seed takes
  moelab plan quickstart --format json | jq '.[] | select(.status != \"cached\")'";

pub const STATUS: &str = "\
Examples:
  moelab status                      all runs in progress, else the last
  moelab status --watch              until they end
  moelab status mnist usps --format json

It reads what runs write to the store, takes no lock and does not disturb them.";

pub const GRAPH: &str = "\
Examples:
  moelab graph quickstart
  moelab graph quickstart --format svg > pipeline.svg     with times";

pub const TABLE: &str = "\
Examples:
  moelab table quickstart
  moelab table ae-kmeans-cpu n2d-cpu --metric acc --to table.tex
  moelab table quickstart --raw --format csv     a row per seed
  moelab table variants-stable-cpu --where dataset=usps --where variant=vae

Exit code 4: results are missing, or fewer than `min_seeds`.";

pub const COMPARE: &str = "\
Examples:
  moelab compare dec-cpu idec-cpu
  moelab compare moa-cpu --axis method=moa,moa_plus
  moelab compare quickstart --set alpha=10       as written, and with this set
  moelab compare moa-cpu --axis method=moa,moa_plus --metric acc --where 'classes=[0,1]'

Exit code 4: results are missing on a side.";

pub const DIFF: &str = "\
Examples:
  moelab diff moa-cpu --stage evaluation --axis method=moa,moa_plus --where 'classes=[0,1]' --seed 0
  moelab diff moa-cpu --stage evaluation --axis seed=0,1 --where method=moa --where 'classes=[0,1]'
  moelab diff dec-cpu idec-cpu --stage evaluation --seed 0
  moelab diff 5375c2b5 9ca110c9                  two actions by their keys";

pub const SHOW: &str = "\
Examples:
  moelab show quickstart moe --seed 0
  moelab show quickstart --metric acc             the runs behind a number
  moelab show 5375c2b5                            a key, as `table --raw` gives it
  moelab show quickstart candidates --seed 0 --where min_cluster_fraction=0.01";

pub const LOG: &str = "\
Examples:
  moelab log quickstart moe --seed 0";

pub const PLOT: &str = "\
Examples:
  moelab plot quickstart linkage --seed 0 --to tree.svg
  moelab plot quickstart moe.history.reconstruction --to curves.svg
  moelab plot quickstart evaluation --seed 0 --to confusion.png";

pub const REPORT: &str = "\
Examples:
  moelab report quickstart --to report.html";

pub const EXPORT: &str = "\
Examples:
  moelab export quickstart --as tensorboard --to logs
  moelab export quickstart --as mlflow --to mlruns
  moelab export quickstart moe --seed 0 --to moe.safetensors     for PyTorch
  moelab export quickstart moe.history --seed 0 --to history.csv
  moelab export quickstart embedding --seed 0 --to points.npy";

pub const ASSIGN: &str = "\
Examples:
  moelab assign quickstart moe --seed 0 --images photos/ --to assigned.csv
  moelab assign quickstart manager --seed 0 --images x.npy --to all.parquet

An array is uint8, or float in [0, 1]: [N, H, W], [N, C, H, W] or [N, H, W, C].";

pub const GENERATE: &str = "\
Examples:
  moelab generate quickstart moe --seed 0 --cluster 3 --to three.png
  moelab generate quickstart moe --seed 0 --cluster 3 --count 1000 --to three.npy
  moelab generate quickstart moe --seed 0 --cluster 3 --stream 1 --to others.png";

pub const WALK: &str = "\
Examples:
  moelab walk quickstart moe --seed 0 --cluster 3 --to walk.png
  moelab walk quickstart moe --seed 0 --cluster 3 --dim 0 --steps 21 --to walk.png";

pub const VERIFY: &str = "\
Examples:
  moelab verify
  moelab verify --format json

Exit code 5: something is damaged.";

pub const GC: &str = "\
Examples:
  moelab gc                                  what is garbage, and how much
  moelab gc --yes                            remove it
  moelab gc --older-than 30d --role model     unused for a month
  moelab gc --to-size 10G --yes";

pub const DU: &str = "\
Examples:
  moelab du
  moelab du --format json";

pub const SCHEMA: &str = "\
Examples:
  moelab schema moe_train
  moelab schema pipeline > .moelab/pipeline.schema.json
  moelab schema --format md | less           the reference of all stages";

pub const INIT: &str = "\
Examples:
  moelab init lab
  cd lab && moelab run quickstart

Files that are there already are never overwritten.";

pub const DOCTOR: &str = "\
Examples:
  moelab doctor
  moelab doctor --store /scratch/lab --data ~/data

Exit code 2: something fails, and a run would too.";

pub const COMPLETIONS: &str = "\
Examples:
  echo 'source <(moelab completions bash)' >> ~/.bashrc
  moelab completions fish > ~/.config/fish/completions/moelab.fish
  echo 'source <(moelab completions zsh)' >> ~/.zshrc";

pub const MAN: &str = "\
Examples:
  moelab man | man -l -
  moelab man --to ~/.local/share/man/man1";
