/*
 * Every command of the tool.
 *
 * To add one that asks the daemon: a row here, with the method and its parameters as options, and a
 * printer for people in the file of its noun (declared in commands.h). Parsing, --help, --json,
 * exit codes, completion, and the words of the daemon's messages follow from the row. What does
 * more than ask has a `run` function of its own, which may add rows that fill a struct of its own.
 */
#include "commands.h"

/* ---- rows that several commands have ---- */

/* clang-format off */
#define OPTIONS(...) (const struct cli_option[]){__VA_ARGS__, {0}}
#define ARRAYS(...)  (const char *const[]){__VA_ARGS__, NULL}
#define ROWS(...)    &(const struct cli_rows){__VA_ARGS__}
/* clang-format on */

/* Arguments: JOB("NAME") is one that the help calls NAME. */
#define JOB(called)                                                                                \
    ARGUMENT(called), option_text, .param = "job", .missing = JOB_IS_MISSING, .words = "@jobs"
#define MAYBE_DATASET(called)                                                                      \
    ARGUMENT(called), option_text, .param = "dataset", .words = "@datasets"
#define DATASET(called)                                                                            \
    MAYBE_DATASET(called), .missing = "name the dataset (`evendraw datasets` lists them)"

/* Options, with what the help says of them. */
#define ALL_CLASSES                                                                                \
    "all", 'a', NULL, "Every class, in class order, however many there are",                       \
        .parse = parse_all_classes
#define DATASET_VERSION(help)                                                                      \
    "dataset-version", 'v', "N", help, NUMBER(1, UINT32_MAX), .param = "version"
#define EPOCH(help)       "epoch", 'e', "N", help, NUMBER(0, INT64_MAX), .param = "epoch"
#define FORCE(help)       "force", 'f', NULL, help, option_flag, .param = "force"
#define JOB_INSTEAD(help) "job", 'j', "JOB", help, option_text, .param = "job", .words = "@jobs"
#define STEP(help)        "step", 'n', "N", help, NUMBER(0, INT64_MAX), .param = "step"
#define STRATEGY(help)                                                                             \
    "strategy", 'S', "KIND", help, parse_strategy, .param = "strategy", .words = "@strategies"
#define STRATEGY_PARAMETER(help)                                                                   \
    "set", 'p', "PARAM=VALUE", help, parse_strategy_parameter, .param = "strategy",                \
                                                               .words = "@parameters"

/* What a new job, or a preview of one, is to be. */
static const struct cli_option job_terms[] = {
    {DATASET_VERSION("Which version of the dataset (default: the newest)")},
    {"batch-size", 'b', "G", "Samples of a step, of all workers together", NUMBER(1, UINT32_MAX),
     .param = "batch_size"},
    {STRATEGY("How classes are drawn: a kind (`evendraw strategies` explains them; default: "
              "uniform), or a JSON object")},
    {STRATEGY_PARAMETER("A parameter of the strategy, such as weight=inverse; repeat for more")},
    {"seed", 'r', "N", "The same seed draws the same batches (default: 0)", NUMBER(0, INT64_MAX),
     .param = "seed"},
    {"ranked", 'R', NULL,
     "Every rank gets its slice of every step (DDP); otherwise each step goes to one worker",
     option_flag, .param = "mode", .as = "ranked"},
    {"world-size", 'W', "W", "Ranks of a ranked job (default: what the first rank says)",
     NUMBER(1, UINT32_MAX), .param = "world_size"},
    {"last-batch", 'l', "HOW",
     "The incomplete step at an epoch's end: short, drop, pad or exact (ranked, uniform: every "
     "sample once)",
     option_text, .param = "last_batch", .words = "short drop pad exact"},
    {0},
};

static const struct cli_option create_options[] = {
    {ARGUMENT("NAME"), option_text, .param = "name", .missing = "name the job"},
    {"dataset", 'd', "NAME", "Draw from this dataset", option_text, .param = "dataset",
     .missing = "--dataset is missing: name the dataset to draw from", .words = "@datasets"},
    {"replicas", 'k', "K",
     "So many consecutive ranks of a ranked job get the same slice (default: 1)",
     NUMBER(1, UINT32_MAX), .param = "replicas"},
    {"time-to-run", 0, "TIME",
     "A batch not acknowledged in this time goes to another worker: 30s, 10m (default), 0 for no "
     "limit",
     option_duration, .param = "time_to_run"},
    {"grace", 0, "TIME",
     "A worker whose connection is lost may come back in this time: 500ms, 2s (default)",
     option_duration, .param = "grace"},
    {"if-exists", 0, "WHAT",
     "If there is a job of that name: refuse (default), same (join it if it draws just this), "
     "attach "
     "(to it as it is) or restart (end it and begin anew)",
     option_text, .param = "if_exists", .words = "refuse same attach restart"},
    {"ephemeral", 0, "TIME", "Drop the job when nobody has used it for so long: 5m, 2h",
     option_duration, .param = "ephemeral"},
    {"retain-epochs", 0, "N",
     "Forget strategies that draw nothing any more in the last N epochs (default: keep all)",
     NUMBER(1, UINT32_MAX), .param = "retain_epochs"},
    {"guarantee", 0, "GUARANTEE", "at-least-once (default) or at-most-once", option_text,
     .param = "guarantee", .words = "at-least-once at-most-once"},
    {0},
};

static const struct cli_option weights_options[] = {
    {MAYBE_DATASET("DATASET")},
    {JOB_INSTEAD("For what this job's strategy draws, instead of a dataset")},
    {DATASET_VERSION("Which version of the dataset (default: the newest)")},
    {"kind", 'k', "KIND",
     "balanced (default), inverse, sqrt-inverse, effective, pos-weight, log-prior or "
     "logit-adjustment",
     option_text, .param = "weights",
     .words = "balanced inverse sqrt-inverse effective pos-weight log-prior logit-adjustment"},
    {"beta", 'b', "B", "Of effective (default: 0.999)", parse_beta, .param = "beta"},
    {"tau", 't', "T", "Of logit-adjustment (default: 1)", parse_tau, .param = "tau"},
    {ALL_CLASSES},
    {0},
};

static const struct cli_option seek_options[] = {
    {JOB("JOB")},
    {"token", 't', "TOKEN", "To the position that `evendraw job position` printed", option_text,
     .param = "token"},
    {EPOCH("To this epoch")},
    {STEP("To this step of it (default: 0)")},
    {"mode", 'm', "MODE",
     "replay (default): with the strategies it had from there on; follow: with the newest one",
     option_text, .param = "mode", .words = "replay follow"},
    {FORCE("Even while workers hold batches, which are then void")},
    {0},
};

static const struct cli_option set_options[] = {
    {JOB("NAME")},
    {STRATEGY("The new strategy: a kind, or a JSON object")},
    {STRATEGY_PARAMETER("A parameter of it; repeat for more")},
    {"when", 'w', "WHEN",
     "now (default: the first step not yet handed out), epoch (the next one), or at", option_text,
     .param = "when", .words = "now epoch at"},
    {EPOCH("With --when at")},
    {STEP("With --when at (default: 0)")},
    {0},
};

/* ---- texts that several commands have, or that are long ---- */

/* Behind the options of those that write batches. */
#define BATCH_FORMATS                                                                              \
    "json: one object a line, {\"epoch\", \"step\", \"revision\", \"index\": [...], ...}. raw: "   \
    "for every sample its index and then the columns asked for, in the order in which --columns "  \
    "has them: index, augment_seed and mix_index in 64 bits, all others in 32, little-endian."

/* The same rule as in Python; README.md has it too. */
#define LABELS_DOC                                                                                 \
    "Classes are the values that occur. If all of them are numbers, in whatever spelling (+1, "    \
    "-1, 1.0, .5, 1e3), they are ordered as numbers of any size and named in the shortest "        \
    "form (1, -1, 0.5, 1000), so that 1, 1.0 and +1 are one class. A spelling with leading "       \
    "zeros (007) keeps its text as its name but is ordered by its number. Otherwise they are "     \
    "ordered as text, by bytes of UTF-8. An empty cell or line, NaN, and NA as pandas has "        \
    "them are no label: such a sample keeps its index and is never drawn. -1 is a class; "         \
    "--unlabelled=-1 makes it no label."

#define LOAD_DOC                                                                                   \
    "Send the labels of a dataset: sample i is the i-th label of SOURCE. Loading a name again "    \
    "makes its next version.\v"                                                                    \
    "SOURCE is IDX (the MNIST family), a NumPy array (.npy, or .npz with --column), CSV or TSV, "  \
    "JSON lines, libsvm, text with one label a line, or a folder of class folders; - is standard " \
    "input; gzip is recognised. What is recognised as something else is refused, with what to do." \
    "\n\n" LABELS_DOC "\n\n"                                                                       \
    "The first line of a table is its header, unless --no-header is given. A list of paths and "   \
    "labels (a/1.jpg 0) is read by -d blank --no-header -c -1. The samples of a folder are "       \
    "numbered as torchvision's ImageFolder numbers them, and so are its classes, in byte order. "  \
    "Those of --one-hot are in the order of their columns. With --json the answer says under "     \
    "\"source\" what was taken for what: format, header, column (from 1), column_name, array, "    \
    "warnings.\n\n"                                                                                \
    "--long-tail keeps n_max * RATIO^(-c/(C-1)) samples, rounded but at least one, of the c-th "   \
    "largest of C classes (c = 0, 1, ...; equally large ones in class order), the same ones for "  \
    "the same seed.\n\n"                                                                           \
    "--split makes datasets over the same indices, of which each sample has its label in one at "  \
    "most; what shares below 1 leave over is in none. It follows --long-tail. Of n samples (with " \
    "--stratify: of a class) a part gets n * SHARE rounded down; the few samples this leaves go "  \
    "to the parts, and to none, whose n * SHARE had the largest fractions, equal ones in the "     \
    "order given. If one dataset fails, none is made.\n\n"                                         \
    "Example: evendraw load pets labels.npy --split train=0.8,val=0.2 --stratify"

#define NEIGHBOURS_DOC                                                                             \
    "Find the nearest neighbours of every sample that has a label, and attach them to the "        \
    "dataset, for strategies and selections that need them. Row i of FEATURES.npy, float32 or "    \
    "float64, is sample i; embeddings of a model, for instance. The features stay here.\v"         \
    "With neither --within-class nor --all both are found, and called class and all: SMOTE needs " \
    "the first, cleaning the second, borderline SMOTE and ADASYN both. The search is exact. What " \
    "is there already, of the same features, is not searched again.\n\n"                           \
    "Ctrl-C stops it, and the same command goes on from there. How far it is stands in a file "    \
    "FEATURES.npy.*.partial beside FEATURES.npy, or in the present folder where that one is "      \
    "read-only, and is gone in the end.\n\n"                                                       \
    "Example: evendraw neighbours pets embeddings.npy --k 5 --metric cosine"

#define SELECT_DOC                                                                                 \
    "Select which samples of a dataset are to be drawn from, by a method of "                      \
    "imbalanced-learn, and attach the selection to the dataset, for strategies that draw "         \
    "from it. Row i of FEATURES.npy, float32 or float64, is sample i. The features stay "          \
    "here.\v"                                                                                      \
    "By the nearest neighbours of each sample, which are searched for here and need not be "       \
    "attached:\n"                                                                                  \
    "tomek: without Tomek links, two classes' samples nearest to each other\n"                     \
    "enn: without samples that their K neighbours vote against\n"                                  \
    "renn: that again and again; allknn: with 1, 2, ... K neighbours\n"                            \
    "ncr: enn, and neighbours that vote against the smallest class\n"                              \
    "By distances, as many of each class as the smallest one has:\n"                               \
    "nearmiss-1: the nearest to their K nearest of the smallest class\n"                           \
    "nearmiss-2: the nearest to their K farthest of it\n"                                          \
    "nearmiss-3: the farthest of those that are near to it\n"                                      \
    "By classifying with what is kept, from --seeds on:\n"                                         \
    "cnn: condensed nearest neighbours\n"                                                          \
    "oss: one-sided selection, which ends with tomek\n"                                            \
    "By --probabilities, shape (n,) or (n, classes), without features:\n"                          \
    "instance-hardness: those whose own class a model that was not trained on them finds "         \
    "most probable, cross_val_predict(model, X, y, method=\"predict_proba\") of "                  \
    "scikit-learn\n\n"                                                                             \
    "Sets are equal to imbalanced-learn's, but for ties. What is there already, made in the "      \
    "same way of the same features, is not computed again.\n\n"                                    \
    "Examples:\nevendraw select pets x.npy --method enn --k 5\n"                                   \
    "evendraw select pets x.npy --method nearmiss-1 --target dog=500 --name few\n"                 \
    "evendraw select pets --keep clean.txt --name clean"

/* ---- the table ---- */

const struct command commands[] = {
    {"load", NULL, "send the labels of a dataset (IDX, NPY, CSV, JSON lines, folders, ...)",
     LOAD_DOC, .options = {load_options}, .check = check_load,
     .methods = {"dataset.create", "dataset.append", "dataset.commit"}, .run = run_load},

    {"datasets", NULL, "list the datasets", "List the datasets: every version the daemon holds.",
     .methods = {"dataset.list", "dataset.info"},
     .rows = ROWS("datasets", {{"dataset", "after"}, {"version", "after_version"}}),
     .print = print_datasets},

    {"dataset", "rm", "remove a version of a dataset",
     "Remove a version of a dataset. Refused while a job uses it.",
     .options = {OPTIONS({DATASET("NAME")},
                         {DATASET_VERSION("Which version (default: the newest)")})},
     .methods = {"dataset.drop"}, .print = print_removed_dataset},

    {"dataset", "attachments", "list what is attached to a version of a dataset",
     "List what clients have computed of a dataset's samples and attached to a version: "
     "neighbours, "
     "selections and folds.",
     .options = {OPTIONS({DATASET("NAME")},
                         {DATASET_VERSION("Which version (default: the newest)")})},
     .methods = {"attachment.list"}, .print = print_attachments},

    {"dataset", "detach", "remove what is attached to a version of a dataset",
     "Remove an attachment of a version of a dataset. Refused while something needs it.",
     .options = {OPTIONS(
         {DATASET("NAME")},
         {ARGUMENT("ATTACHMENT"), option_text, .param = "name",
          .missing = "name the attachment (`evendraw dataset attachments` lists them)"},
         {DATASET_VERSION("Which version (default: the newest)")})},
     .methods = {"attachment.drop"}, .print = print_detached},

    {"neighbours", NULL, "attach nearest neighbours to a dataset, from its features",
     NEIGHBOURS_DOC,
     .options = {OPTIONS({DATASET("DATASET")},
                         {DATASET_VERSION("Of which version (default: the newest)")}),
                 neighbours_options},
     .check = check_neighbours,
     .methods = {"attachment.create", "attachment.append", "attachment.commit"}, .patient = true,
     .run = run_neighbours},

    {"select", NULL, "attach a selection of a dataset's samples, from their features", SELECT_DOC,
     .options = {OPTIONS({DATASET("DATASET")},
                         {DATASET_VERSION("Of which version (default: the newest)")},
                         {ALL_CLASSES}),
                 select_options},
     .check = check_select, .patient = true, .run = run_select},

    {"stats", NULL, "draw the class distribution of a dataset",
     "Draw the class distribution of a dataset, with counts and shares of the labelled "
     "samples, the imbalance ratio (largest class to smallest) and the entropy.",
     .options = {OPTIONS({DATASET("NAME")},
                         {DATASET_VERSION("Which version (default: the newest)")}, {ALL_CLASSES})},
     .methods = {"dataset.stats"}, .pages = ARRAYS("class", "count", "share"),
     .print = print_dataset_stats},

    {"weights", NULL, "class weights for a loss, of a dataset or a job",
     "Class weights for a loss: for a dataset of N labelled samples in C classes, of "
     "which a class has n, or, with --job, for what the job's present strategy draws, so "
     "that what the sampling corrects is not corrected twice.\v"
     "balanced: N / (C n), as scikit-learn. inverse: 1 / n. sqrt-inverse: 1 / sqrt(n). "
     "effective: (1 - beta) / (1 - beta^n), scaled to the sum C. pos-weight: (N - n) / "
     "n. log-prior: log(n / N). logit-adjustment: tau log(n / N), to be added to the logits in the "
     "loss while a model is trained, or else subtracted from those of a model that was trained "
     "without. --json prints them in full precision.\n\n"
     "Example: evendraw weights fashion --kind effective --beta 0.9999 --json",
     .options = {weights_options}, .check = check_weights, .run = run_weights},

    {"strategies", NULL, "explain the strategies and their parameters",
     "List the strategies, each with what it does, its parameters (NAME=DEFAULT) and an "
     "example for `evendraw job create`, `job set` and `preview`.",
     .options = {strategies_options}, .methods = {"strategy.list"}, .run = run_strategies},

    {"preview", NULL, "what a strategy would do, without changing anything",
     "What a strategy would do, without creating or changing anything: the length of an "
     "epoch, and for every class what an epoch draws, how often a sample of it comes "
     "(REPEATS), the share of its samples that come at all (COVERAGE), and what a batch "
     "holds. What is refused here, `job create` and `job set` refuse with the same "
     "words.\v"
     "Examples:\n"
     "evendraw preview fashion --batch-size 256 --strategy stratified --set "
     "proportions=equal\n"
     "evendraw preview --job train --strategy weighted --set weight=sqrt-inverse",
     .options = {OPTIONS({MAYBE_DATASET("DATASET")},
                         {JOB_INSTEAD("Preview a change of this job's strategy, instead of a "
                                      "new job")},
                         {ALL_CLASSES}),
                 job_terms},
     .check = check_preview, .methods = {"job.preview"},
     .pages = ARRAYS("class", "count", "drawn", "repeats", "coverage", "per_batch"),
     .print = print_preview},

    {"job", "create", "start a job on a dataset",
     "Start a job: batches of a dataset, drawn by a strategy.\v"
     "Example: evendraw job create train --dataset fashion --batch-size 256 "
     "--strategy weighted --set weight=inverse",
     .options = {create_options, job_terms}, .check = check_job_create, .methods = {"job.create"},
     .print = print_created_job},

    {"job", "set", "change a job's strategy while it runs",
     "Change a job's strategy while it runs, for all its workers at the same step.\v"
     "Example: evendraw job set train --strategy stratified --set proportions=equal",
     .options = {set_options}, .check = check_job_set, .methods = {"job.update"},
     .print = print_revision},

    {"job", "ls", "list the jobs", "List the jobs, and where they are.", .methods = {"job.list"},
     .rows = ROWS("jobs", {{"job", "after"}}), .print = print_jobs},

    {"job", "info", "show a job's settings, position and revisions",
     "Show a job's settings, its position, and the strategies it had and has.",
     .options = {OPTIONS({JOB("JOB")})}, .methods = {"job.info"}, .print = print_job},

    {"job", "stats", "compare what a job asked for with what it served",
     "Compare, class by class, what a job's strategies asked for, each while it held, "
     "with what was handed out.",
     .options = {OPTIONS({JOB("NAME")}, {EPOCH("Count what this epoch served (default: all)")},
                         {ALL_CLASSES})},
     .methods = {"job.stats"}, .pages = ARRAYS("class", "count", "asked", "served", "share"),
     .print = print_job_stats},

    {"job", "position", "print a token for a checkpoint",
     "Print a token for a job's position, to be kept with a checkpoint of the model: "
     "`evendraw job seek JOB --token TOKEN` goes back to it. --json shows the position "
     "in numbers too.",
     .options = {OPTIONS({JOB("JOB")})}, .methods = {"job.position"}, .print = print_position},

    {"job", "seek", "move a job to a checkpoint or any other step",
     "Move a job to another position, back or ahead, for all its workers: a new "
     "generation of its history begins there. A token of another job, or of another "
     "version of the dataset, is refused.\v"
     "Example: evendraw job seek train --epoch 3",
     .options = {seek_options}, .check = check_job_seek, .methods = {"job.seek"},
     .print = print_moved_job},

    {"job", "history", "show revisions, ranks and seeks: when, by whom",
     "Show a job's history: the revisions of its strategy, the numbers of its ranks and "
     "its seeks, each with the step from which it holds, when it was made and by whom. "
     "With the dataset and the seed it says what every batch held.",
     .options = {OPTIONS({JOB("JOB")})}, .methods = {"job.history"}, .print = print_history},

    {"job", "rm", "remove a job", "Remove a job and its history.",
     .options = {OPTIONS({JOB("NAME")}, {FORCE("Even while workers are attached")})},
     .methods = {"job.drop"}, .print = print_removed_job},

    {"confusion", NULL, "draw what was reported to a job, true against predicted",
     "Draw what was reported to a job (job.report) as a matrix of true against predicted "
     "classes, with precision, recall and F1 of each class and their averages.",
     .options = {OPTIONS({JOB("JOB")}), confusion_options}, .check = check_confusion,
     .methods = {"job.confusion"},
     .pages =
         ARRAYS("class", "support", "matrix", "loss", "predicted", "precision", "recall", "f1"),
     .run = run_confusion},

    {"threshold", NULL, "the best decision threshold of what was reported to a job",
     "From which score on a sample should count as the second of two classes, from the scores that "
     "were reported to a job (job.report, score): the best threshold for each objective, with what "
     "it gives.\v"
     "Without --objective: f1, balanced-accuracy, f-beta with beta 2, the best precision with a "
     "recall of 0.9, the best recall with a precision of 0.9, and, if it is given, cost. "
     "--cost A,B,C,D says what a sample costs: of the first class taken for the first, for the "
     "second; of the second class taken for the first, for the second. Of equal thresholds the "
     "lowest is taken.\n\n"
     "Curves are scikit-learn's. In the drawing the threshold of the first objective is marked; "
     "the "
     "CSV has every point. --json prints the daemon's answer, with the curve under \"curve\".\n\n"
     "Example: evendraw threshold validation --objective cost --cost 0,1,20,0 --svg curve.svg",
     .options = {OPTIONS({JOB("JOB")}), threshold_options}, .check = check_threshold,
     .methods = {"job.threshold", "job.curve"}, .run = run_threshold},

    {"pull", NULL, "be a worker: write a job's batches to standard output",
     "Be a worker of a job: take its batches, write them to standard output, acknowledge "
     "them once written.\v" BATCH_FORMATS
     " When the strategy changes, a line on standard error says from which step on.",
     .options = {pull_options, batch_options}, .methods = {"stream.open"}, .run = run_pull},

    {"workers", NULL, "show who is attached to a job, and how far",
     "Show who is attached to a job: session and stream, what the client calls itself "
     "and where it is, its rank, whether its connection is lost or its lease has run out "
     "(stalled), its window, how many batches it holds, steps and samples it was served "
     "and has acknowledged, how many steps it is behind, and how long ago it was heard "
     "of.",
     .options = {OPTIONS({JOB("JOB")})}, .methods = {"job.workers"},
     .rows = ROWS("workers", {{"worker", "after"}}), .print = print_workers},

    {"trace", NULL, "show in which steps a sample was served",
     "Show every step in which a sample was served so far, with the rank that got it (of "
     "a ranked job, the lowest of its replicas) and the revision of the strategy that "
     "drew it. The steps are drawn again for that, which takes its time in long jobs.",
     .options = {OPTIONS({JOB("JOB")}, {ARGUMENT("SAMPLE"), NUMBER(0, INT64_MAX), .param = "sample",
                                        .missing = "which sample? give its index, such as 0"})},
     .methods = {"job.trace"}, .patient = true, .run = run_trace},

    {"replay", NULL, "write a job's batches once more, as they were",
     "Write the batches of some steps of a job once more, as they were handed out: the "
     "same bytes that `evendraw pull` wrote, but for \"redelivered\". They are drawn "
     "again from the job's history; nothing changes.\v" BATCH_FORMATS "\n\n"
     "Example: evendraw replay train --from 0:0 --to 0:99 --columns label",
     .options = {OPTIONS({JOB("JOB")}), replay_options, batch_options}, .check = check_replay,
     .methods = {"job.batch"}, .run = run_replay},

    {"backup", NULL, "copy the daemon's database to a file",
     "Have the daemon copy its database to FILE, on its own machine, while it goes on "
     "serving. Nothing is overwritten. FILE may be anywhere for the daemon's own user, who asks by "
     "its Unix socket; for others it must be in the folder of evendrawd --backup-dir. "
     "To go back to the copy, stop evendrawd and start it on the copy as its database.",
     .options = {OPTIONS({ARGUMENT("FILE"), parse_copy_path, .param = "path",
                          .missing = "name the file to write", .words = "@files"})},
     .methods = {"server.backup"}, .patient = true, .print = print_copy},

    {"verify", NULL, "look through a database for damage",
     "Look through the database of a daemon that does not run, for damage: every page of the file, "
     "and every dataset and job in it, as evendrawd does when it starts. Nothing is changed. "
     "A daemon that runs has its database for itself: stop it, or look at a copy that `evendraw "
     "backup` made.\v"
     "Exit status: 0 if it is sound, 1 if it is damaged, 4 if that cannot be found out.",
     .options = {verify_options}, .run = run_verify},

    {"repair", NULL, "make a new database of what is sound in a damaged one",
     "Make a new file of what is sound in a database: all that can be read, without the datasets "
     "and jobs that `evendraw verify` calls damaged; jobs of a damaged dataset go with it. It says "
     "what is kept and what is not. The database itself stays as it is, and no daemon may have it "
     "open; where it is sound no file is made. Run it as the daemon's user, to whom the new file "
     "is to belong.\v"
     "Exit status: 0 if the new file is there, or not needed; 4 if it cannot be made.",
     .options = {repair_options}, .run = run_repair},

    {"info", NULL, "show the state of the daemon",
     "Show the state of the daemon: version, uptime, what it holds, its store. --json "
     "shows its limits too. The exit status is 1, also with --json, while the daemon cannot write "
     "its database.",
     .methods = {"server.info"}, .run = run_info},
};

const size_t command_count = sizeof(commands) / sizeof(commands[0]);

/* ---- what is done with a row ---- */

const char *command_name(const struct command *command, char out[COMMAND_NAME])
{
    snprintf(out, COMMAND_NAME, "%s%s%s", command->noun, command->verb ? " " : "",
             command->verb ? command->verb : "");
    return out;
}

const struct cli_option *command_option(const struct command *command, size_t i)
{
    for (const struct cli_option *const *list = command->options; *list; list++) {
        for (const struct cli_option *option = *list; option->parse; option++) {
            if (i-- == 0)
                return option;
        }
    }
    return NULL;
}

json_t *command_ask(struct cli *cli)
{
    const struct command *command = cli->command;
    json_t *params = json_copy(cli->params);

    if (command->pages)
        return cli_call_pages(cli, command->methods[0], params, command->pages);
    if (command->rows)
        return cli_call_rows(cli, command->methods[0], params, command->rows);
    return cli_call(cli, command->methods[0], params);
}
