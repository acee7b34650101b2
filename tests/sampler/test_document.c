/*
 * The test vectors in SAMPLING.md are what the code does. With the argument `print` it writes them,
 * for when an algorithm is changed on purpose (and every recorded position with it).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fixture.h"
#include "sampler/beta.h"
#include "sampler/key.h"
#include "sampler/permute.h"

#define VECTOR_SEED  42u
#define VECTOR_BATCH 8u

static const uint64_t vector_counts[] = {20, 6, 3};

static void vector_key(char *out, size_t room, uint64_t key, unsigned purpose, uint64_t a,
                       uint32_t b)
{
    struct key_pair pair = key_numbers(key, (enum key_purpose)purpose, a, b);
    snprintf(out, room, "key %016" PRIx64 " %u %" PRIu64 " %u = %016" PRIx64 " %016" PRIx64, key,
             purpose, a, b, pair.first, pair.second);
}

static void vector_permute(char *out, size_t room, uint64_t n, uint64_t key)
{
    size_t len = (size_t)snprintf(out, room, "permute %" PRIu64 " %016" PRIx64 " =", n, key);
    for (uint64_t x = 0; x < 10 && x < n; x++)
        len += (size_t)snprintf(out + len, room - len, " %" PRIu64, permute(x, n, key));
}

/* The smallest class has 3 samples: two neighbours at most. */
static void vector_strategy(struct strategy *s, const char *kind)
{
    strategy_make(s, kind, 3);
    if (strcmp(kind, "smote") == 0)
        strategy_set(s, "k", 2);
}

static void vector_draw(char *out, size_t room, const char *kind, uint64_t epoch, uint64_t step)
{
    struct data data;
    struct strategy s;
    struct drawn one;
    data_init_grouped(&data, vector_counts, 3);
    vector_strategy(&s, kind);
    drawn_init(&one, VECTOR_BATCH);
    struct plan *plan = plan_make(&data, &s, VECTOR_BATCH, LAST_DROP, VECTOR_SEED, NULL);
    draw_step(plan, epoch, step, &one);
    size_t len =
        (size_t)snprintf(out, room, "draw %s %" PRIu64 " %" PRIu64 " =", kind, epoch, step);
    for (uint32_t k = 0; k < one.n; k++)
        len += (size_t)snprintf(out + len, room - len, " %" PRIu64, one.index[k]);
    plan_unref(plan);
    strategy_fini(&s);
    drawn_fini(&one);
    data_fini(&data);
}

/* Of `uniform` with pairs, or of `smote`: the second samples of a step, and their shares. */
static void vector_pair(char *out, size_t room, const char *how, uint64_t epoch, uint64_t step)
{
    struct data data;
    struct strategy s;
    struct drawn one;
    data_init_grouped(&data, vector_counts, 3);
    bool of_its_own = strcmp(how, "smote") == 0;
    vector_strategy(&s, of_its_own ? how : "uniform");
    if (!of_its_own)
        strategy_say(&s, "pairs.how", how);
    drawn_init(&one, VECTOR_BATCH);
    struct plan *plan = plan_make(&data, &s, VECTOR_BATCH, LAST_DROP, VECTOR_SEED, NULL);
    draw_step(plan, epoch, step, &one);
    size_t len = (size_t)snprintf(out, room, "pair %s %" PRIu64 " %" PRIu64 " =", how, epoch, step);
    for (uint32_t k = 0; k < one.n; k++)
        len += (size_t)snprintf(out + len, room - len, " %" PRIu64 ":%.0f", one.mix_index[k],
                                (double)one.mix_lambda[k] * BETA_ONE);
    plan_unref(plan);
    strategy_fini(&s);
    drawn_fini(&one);
    data_fini(&data);
}

static void vector_beta(char *out, size_t room, double a, double b)
{
    static uint32_t quantile[BETA_CELLS + 1];
    size_t len = (size_t)snprintf(out, room, "beta %g %g =", a, b);
    beta_quantiles(a, b, quantile);
    for (uint32_t k = 0; k <= BETA_CELLS; k += 512)
        len += (size_t)snprintf(out + len, room - len, " %u",
                                quantile[k == 0            ? 1
                                         : k == BETA_CELLS ? BETA_CELLS - 1
                                                           : k]);
}

/* Computes a line of the document anew from its left side. False: not a vector. */
static bool compute(const char *line, char *out, size_t room)
{
    uint64_t a, b;
    unsigned purpose, c;
    char kind[32];
    double of, to;
    if (sscanf(line, "key %" SCNx64 " %u %" SCNu64 " %u =", &a, &purpose, &b, &c) == 4)
        vector_key(out, room, a, purpose, b, c);
    else if (sscanf(line, "permute %" SCNu64 " %" SCNx64 " =", &a, &b) == 2)
        vector_permute(out, room, a, b);
    else if (sscanf(line, "draw %31s %" SCNu64 " %" SCNu64 " =", kind, &a, &b) == 3)
        vector_draw(out, room, kind, a, b);
    else if (sscanf(line, "pair %31s %" SCNu64 " %" SCNu64 " =", kind, &a, &b) == 3)
        vector_pair(out, room, kind, a, b);
    else if (sscanf(line, "beta %lf %lf =", &of, &to) == 2)
        vector_beta(out, room, of, to);
    else
        return false;
    return true;
}

static void document_holds_what_the_code_does(void **state)
{
    (void)state;
    FILE *file = fopen(SAMPLING_MD, "r");
    char line[512], want[512], kinds[2048] = " ";
    unsigned vectors = 0;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        char *text = line + strspn(line, " ");
        text[strcspn(text, "\n")] = 0;
        if (text == line || !compute(text, want, sizeof(want)))
            continue;
        assert_string_equal(text, want);
        vectors++;
        if (strncmp(text, "draw ", 5) == 0) {
            strncat(kinds, text + 5, strcspn(text + 5, " "));
            strcat(kinds, " ");
        }
    }
    fclose(file);
    assert_true(vectors >= 10);
    for (size_t i = 0; strategy_kinds[i]; i++) {
        char name[64];
        snprintf(name, sizeof(name), " %s ", strategy_kinds[i]->name);
        if (!strstr(kinds, name))
            fail_msg("SAMPLING.md has no vector of%s", name);
    }
}

/* A row of the table of all kinds: it names the kind's parameters, in their order. */
static void check_row(const char *row, const struct strategy_kind *kind)
{
    assert_non_null(kind);
    assert_ptr_equal(strategy_find(row + 3, strcspn(row + 3, "`")), kind);
    for (int i = 0; i < STRATEGY_MAX_PARAMS && kind->params[i].name; i++) {
        char want[64];
        snprintf(want, sizeof(want), "`%s`", kind->params[i].name);
        row = strstr(row, want);
        if (!row)
            fail_msg("STRATEGIES.md: the row of %s has no %s in its place", kind->name, want);
    }
}

/* The parameters of a kind as STRATEGIES.md has them: rows below `### kind`, default in the second
 * column. */
static void strategies_are_documented(void **state)
{
    (void)state;
    FILE *file = fopen(STRATEGIES_MD, "r");
    const struct strategy_kind *kind = NULL;
    char line[1024], want[256];
    size_t kinds = 0, row = 0, rows = 0;
    bool all = false; /* within the table of all kinds */
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "## ", 3) == 0)
            all = strcmp(line, "## All of them") == 0;
        if (all && strncmp(line, "| `", 3) == 0)
            check_row(line, strategy_kinds[rows++]);
        if (strncmp(line, "### ", 4) == 0) {
            if (kind && kind->params[row].name)
                fail_msg("STRATEGIES.md: %s lacks %s", kind->name, kind->params[row].name);
            kind = strategy_find(line + 4, strlen(line + 4));
            if (!kind || kind != strategy_kinds[kinds])
                fail_msg("STRATEGIES.md: \"%s\" is not the next kind", line + 4);
            kinds++;
            row = 0;
        } else if (kind && strncmp(line, "| `", 3) == 0) {
            const struct strategy_param *param = &kind->params[row++];
            assert_non_null(param->name);
            snprintf(want, sizeof(want), "| `%s` | %s%s|", param->name, param->default_value,
                     *param->default_value ? " " : "");
            if (strncmp(line, want, strlen(want)) != 0)
                fail_msg("STRATEGIES.md: \"%s\" is not %s", line, want);
        }
    }
    fclose(file);
    assert_null(strategy_kinds[kinds]);
    assert_int_equal(rows, kinds);
    assert_true(!kind || !kind->params[row].name);
}

/* The common parameters as STRATEGIES.md has them, below `## From a part` and `## Pairs`, without
 * the name of their map. */
static void common_are_documented(void **state)
{
    (void)state;
    FILE *file = fopen(STRATEGIES_MD, "r");
    const struct strategy_param *param = strategy_common;
    char line[1024], want[256];
    bool inside = false;
    assert_non_null(file);
    while (param->name && fgets(line, sizeof(line), file)) {
        if (strncmp(line, "## ", 3) == 0)
            inside = strcmp(line, param < strategy_common + (PAIRS_HOW - FROM_SELECTION)
                                      ? "## From a part\n"
                                      : "## Pairs\n") == 0;
        if (!inside || strncmp(line, "| `", 3) != 0)
            continue;
        const char *standard = param->default_value ? param->default_value : "required";
        const char *dot = strchr(param->name, '.'), *name = dot ? dot + 1 : param->name;
        snprintf(want, sizeof(want), "| `%s` | %s%s|", name, standard, *standard ? " " : "");
        if (strncmp(line, want, strlen(want)) != 0)
            fail_msg("STRATEGIES.md: \"%s\" is not %s", line, want);
        param++;
    }
    fclose(file);
    assert_null(param->name);
}

/* Whether plans of the kind's defaults answer a column, and whether PROTOCOL.md says so: the cell
 * begins with yes or no. */
static void check_column(const struct plan *plan, enum plan_column column, const char *cell)
{
    const char *want = plan_columns_known(plan) & 1u << column ? "yes" : "no";
    if (strncmp(cell, want, strlen(want)) != 0)
        fail_msg("PROTOCOL.md: \"%s\" should be %s", cell, want);
}

/* The table `| kind | probability | repeat |`; what goes with repeat has no row of its own. */
static void columns_are_documented(void **state)
{
    (void)state;
    FILE *file = fopen(PROTOCOL_MD, "r");
    char line[1024];
    size_t kinds = 0;
    bool inside = false;
    struct data data;
    assert_non_null(file);
    data_init_grouped(&data, vector_counts, 3);
    while (fgets(line, sizeof(line), file)) {
        inside |= strncmp(line, "| kind | `probability` | `repeat` |", 34) == 0;
        if (!inside || strncmp(line, "| `", 3) != 0)
            continue;
        struct strategy s;
        char *save, *name = strtok_r(line + 3, "`", &save);
        assert_non_null(strategy_kinds[kinds]);
        assert_string_equal(name, strategy_kinds[kinds++]->name);
        vector_strategy(&s, name);
        struct plan *plan = plan_make(&data, &s, VECTOR_BATCH, LAST_DROP, VECTOR_SEED, NULL);
        strtok_r(NULL, "|", &save); /* what follows the name */
        check_column(plan, PLAN_PROBABILITY, strtok_r(NULL, "|", &save) + 1);
        check_column(plan, PLAN_REPEAT, strtok_r(NULL, "|", &save) + 1);
        assert_int_equal(plan_columns_known(plan) >> PLAN_AUGMENT_STRENGTH & 1,
                         plan_columns_known(plan) >> PLAN_REPEAT & 1);
        plan_unref(plan);
        strategy_fini(&s);
        inside = strategy_kinds[kinds] != NULL;
    }
    fclose(file);
    data_fini(&data);
    assert_null(strategy_kinds[kinds]);
}

static void print(void)
{
    char line[512];
    const uint64_t sizes[] = {5, 16, 17, 100, 1000003, 1ull << 40};
    vector_key(line, sizeof(line), 0, KEY_EPOCH, 0, 0);
    printf("    %s\n", line);
    vector_key(line, sizeof(line), VECTOR_SEED, KEY_EPOCH, 1, 2);
    printf("    %s\n", line);
    vector_key(line, sizeof(line), 0x0123456789abcdefu, KEY_MEMBER, 1ull << 33, 7);
    printf("    %s\n", line);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        vector_permute(line, sizeof(line), sizes[i], 0x0123456789abcdefu);
        printf("    %s\n", line);
    }
    for (size_t i = 0; strategy_kinds[i]; i++) {
        for (uint64_t epoch = 0; epoch < 2; epoch++) {
            vector_draw(line, sizeof(line), strategy_kinds[i]->name, epoch, epoch);
            printf("    %s\n", line);
        }
    }
    static const char *const hows[] = {"mixup", "cutmix", "remix", "balanced-mixup", "smote"};
    for (size_t i = 0; i < sizeof(hows) / sizeof(*hows); i++) {
        vector_pair(line, sizeof(line), hows[i], 1, 1);
        printf("    %s\n", line);
    }
    static const double parameters[][2] = {{0.2, 0.2}, {0.2, 1}, {2.5, 2.5}, {0.01, 1}, {100, 100}};
    for (size_t i = 0; i < sizeof(parameters) / sizeof(*parameters); i++) {
        vector_beta(line, sizeof(line), parameters[i][0], parameters[i][1]);
        printf("    %s\n", line);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(document_holds_what_the_code_does),
        cmocka_unit_test(strategies_are_documented),
        cmocka_unit_test(common_are_documented),
        cmocka_unit_test(columns_are_documented),
    };
    if (argc > 1 && strcmp(argv[1], "print") == 0) {
        print();
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
