/* progressive: from the dataset's own shares to balanced ones over the epochs. */
#include <math.h>
#include "sampler/internal.h"
#include "sampler/kinds.h"

enum { SCHEDULE, FROM, ALPHA, TO, START, EPOCHS, STAGES, DECAY, MAX_RATIO, NUM_SAMPLES };

static const char *const schedules[] = {"linear", "cosine", "step", "exponential", NULL};
enum schedule { LINEAR, COSINE, STEP, EXPONENTIAL };

#define MAX_TABLE       (1u << 24) /* numbers in all stages together */
#define EXPONENTIAL_END 1e-6       /* what is left of the way when it counts as arrived */

struct course {
    int schedule;
    double from, to, decay, max_ratio;
    uint64_t start, epochs, stages, draws;
};

/* Nothing is given that the schedule does not look at. */
static int check_schedule(const struct strategy *s, int schedule, struct sampler_error *err)
{
    if (strategy_only_with(s, EPOCHS, schedule != EXPONENTIAL,
                           "schedule \"linear\", \"cosine\" or \"step\"", err) != PLAN_OK ||
        strategy_only_with(s, STAGES, schedule == STEP, "schedule \"step\"", err) != PLAN_OK)
        return PLAN_REFUSED;
    return strategy_only_with(s, DECAY, schedule == EXPONENTIAL, "schedule \"exponential\"", err);
}

static int read_course(const struct plan_input *in, struct course *course,
                       struct sampler_error *err)
{
    const struct strategy *s = in->strategy;
    char given[NUMBER_WORDS], other[NUMBER_WORDS];
    if (strategy_word(s, SCHEDULE, schedules, &course->schedule, err) != PLAN_OK ||
        check_schedule(s, course->schedule, err) != PLAN_OK ||
        strategy_whole(s, START, 0, PLAN_MAX_DRAWS, 0, &course->start, err) != PLAN_OK ||
        strategy_whole(s, EPOCHS, 1, 100000, 0, &course->epochs, err) != PLAN_OK ||
        strategy_whole(s, STAGES, 1, 100000, 0, &course->stages, err) != PLAN_OK ||
        strategy_whole(s, NUM_SAMPLES, 1, PLAN_MAX_DRAWS, in->index->labelled, &course->draws,
                       err) != PLAN_OK)
        return PLAN_REFUSED;
    if (strategy_given(s, FROM) && strategy_given(s, ALPHA))
        return plan_refuse(err, "alpha", "alpha and from are the same number: give one of them");
    course->from = strategy_number(s, strategy_given(s, ALPHA) ? ALPHA : FROM);
    course->to = strategy_number(s, TO);
    course->decay = strategy_number(s, DECAY);
    course->max_ratio = strategy_number(s, MAX_RATIO);
    if (!(fabs(course->from) <= 10 && fabs(course->to) <= 10))
        return plan_refuse(err, fabs(course->from) <= 10 ? "to" : "from",
                           "from %s to %s: give powers from -10 to 10; 1 is natural, 0 balanced",
                           number_words(course->from, given), number_words(course->to, other));
    if (!(course->decay > 0 && course->decay < 1))
        return plan_refuse(err, "decay", "decay is %s: give a number between 0 and 1",
                           number_words(course->decay, given));
    if (strategy_given(s, MAX_RATIO) && !(course->max_ratio >= 1))
        return plan_refuse(err, "max_ratio", "max_ratio is %s: give a number of 1 or more",
                           number_words(course->max_ratio, given));
    return PLAN_OK;
}

/* How many epochs have tables of their own; the last one's stay. */
static uint64_t course_length(const struct course *course)
{
    if (course->schedule != EXPONENTIAL)
        return course->epochs + 1;
    uint64_t length = 1;
    for (double left = 1; left > EXPONENTIAL_END && length < MAX_TABLE; left *= course->decay)
        length++;
    return length;
}

/* How much of the way is left, 1 to 0, `epoch` epochs after the start. */
static double way_left(const struct course *course, uint64_t epoch, uint64_t length)
{
    double part = (double)epoch / (double)course->epochs;
    if (epoch + 1 == length)
        return 0;
    switch (course->schedule) {
    case COSINE:
        return (1 + cos(part * 3.14159265358979323846)) / 2;
    case STEP:
        return 1 - floor(part * (double)course->stages) / (double)course->stages;
    case EXPONENTIAL:
        return pow(course->decay, (double)epoch);
    default:
        return 1 - part;
    }
}

static void stage_weights(const struct class_index *index, const struct course *course,
                          double alpha, double *out)
{
    uint64_t fewest = UINT64_MAX;
    for (uint32_t c = 0; c < index->classes; c++) {
        uint64_t n = class_size(index, c);
        fewest = n && n < fewest ? n : fewest;
    }
    for (uint32_t c = 0; c < index->classes; c++) {
        uint64_t n = class_size(index, c);
        out[c] = n ? pow((double)n / (double)fewest, alpha) : 0;
        if (out[c] > course->max_ratio)
            out[c] = course->max_ratio;
    }
}

static int compile(struct plan *plan, const struct plan_input *in, struct sampler_error *err)
{
    struct course course;
    if (read_course(in, &course, err) != PLAN_OK)
        return PLAN_REFUSED;
    uint64_t length = course_length(&course);
    uint32_t classes = in->index->classes;
    if (length * classes > MAX_TABLE)
        return plan_refuse(err, course.schedule == EXPONENTIAL ? "decay" : "epochs",
                           "%llu epochs of %u classes would need tables of over %u numbers: let it "
                           "arrive in fewer epochs",
                           (unsigned long long)length, classes, MAX_TABLE);
    double *weights = plan_work_alloc(plan, length * classes, sizeof(*weights));
    if (!weights)
        return PLAN_NO_MEMORY;
    for (uint64_t i = 0; i < length; i++) {
        double left = way_left(&course, i, length);
        stage_weights(in->index, &course, course.to + (course.from - course.to) * left,
                      weights + i * classes);
    }
    const struct independent_spec spec = {
        .weights = weights, .stages = length, .first_epoch = course.start, .draws = course.draws};
    int rc = independent_engine(plan, &spec);
    plan_work_free(plan, weights, length * classes, sizeof(*weights));
    return rc;
}

static uint64_t cost(const struct plan_input *in)
{
    struct course course;
    struct sampler_error ignored; /* what compile refuses costs little */
    uint64_t classes = in->index->classes, length = 1;

    if (read_course(in, &course, &ignored) == PLAN_OK)
        length = course_length(&course);
    return length * classes <= MAX_TABLE ? length * classes * COST_OF_CLASS : 0;
}

const struct strategy_kind kind_progressive = {
    .name = "progressive",
    .meaning = "class shares n^alpha, alpha moving from natural to balanced over the epochs",
    .example = "{\"kind\": \"progressive\", \"schedule\": \"cosine\", \"epochs\": 30}",
    .params =
        {
            {"schedule", STRATEGY_TEXT, "linear",
             "linear, cosine, step (in equal stages), or exponential (decay^epoch of the way "
             "left)"},
            {"from", STRATEGY_NUMBER, "1", "alpha at the start; 1: the dataset's own shares"},
            {"alpha", STRATEGY_NUMBER, "", "the same, where from says of which samples"},
            {"to", STRATEGY_NUMBER, "0", "alpha at the end; 0: balanced"},
            {"start", STRATEGY_NUMBER, "0", "the epoch of the job in which it sets out"},
            {"epochs", STRATEGY_NUMBER, "10",
             "with schedule linear, cosine or step: epochs until it arrives"},
            {"stages", STRATEGY_NUMBER, "5", "with schedule step: how many"},
            {"decay", STRATEGY_NUMBER, "0.9", "with schedule exponential: Catalyst's lambda"},
            {"max_ratio", STRATEGY_NUMBER, "",
             "no class more than so many times as often as the smallest (Catalyst's max_d)"},
            {"num_samples", STRATEGY_NUMBER, "", "draws in an epoch; as many as labelled samples"},
            {NULL, 0, NULL, NULL},
        },
    .compile = compile,
    .cost = cost,
};
