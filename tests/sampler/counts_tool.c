/*
 * For the oracle test: prints what a strategy makes of class sizes.
 *
 *     sampler_counts KIND SIZES [PARAM=VALUE ...]
 *     sampler_counts                               the same, a line of standard input each
 *
 * Sizes and maps are written as 10,20,5; "-" in a map: not named. Prints the draws of each class in
 * an epoch, or "refused: ..." with exit code 1 (of lines: 0 all the same).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sampler/plan.h"

enum { MOST = 64 };

static uint32_t read_numbers(char *text, double *out)
{
    uint32_t n = 0;
    for (char *part = strtok(text, ","); part && n < MOST; part = strtok(NULL, ","))
        out[n++] = strcmp(part, "-") == 0 ? NAN : strtod(part, NULL);
    return n;
}

static int set(struct strategy *s, char *text)
{
    char *value = strchr(text, '='), *end;
    int param = value ? strategy_param_find(s->kind, text, (size_t)(value - text)) : -1;
    if (param < 0 || strlen(++value) >= sizeof(s->values)[param].text)
        return -1;
    double number = strtod(value, &end);
    if (strchr(value, ',')) {
        double map[MOST];
        if (read_numbers(value, map) != s->classes || !strategy_class_map(s, param))
            return -1;
        memcpy(s->values[param].by_class, map, s->classes * sizeof(*map));
    } else if (*end == 0) {
        s->values[param].tag = VALUE_NUMBER;
        s->values[param].number = number;
    } else {
        s->values[param].tag = VALUE_TEXT;
        strcpy(s->values[param].text, value);
    }
    return 0;
}

/* argv[1]: the kind, and so on. 0, or 1 for a refusal; 2: it is called wrongly. */
static int print_counts(int argc, char **argv)
{
    double sizes[MOST], share[MOST];
    uint64_t start[MOST + 1] = {0};
    if (argc < 3 || !strategy_find(argv[1], strlen(argv[1])))
        return 2;
    uint32_t classes = read_numbers(argv[2], sizes);
    for (uint32_t c = 0; c < classes; c++)
        start[c + 1] = start[c] + (uint64_t)sizes[c];
    const struct class_index index = {.samples = start[classes],
                                      .labelled = start[classes],
                                      .classes = classes,
                                      .start = start,
                                      .first = start};
    struct strategy s;
    struct sampler_error err = {.message = "no memory"};
    struct plan *plan;
    strategy_init(&s, strategy_find(argv[1], strlen(argv[1])), classes);
    for (int i = 3; i < argc; i++) {
        if (set(&s, argv[i]))
            return 2;
    }
    const struct plan_input in = {.index = &index, .strategy = &s, .batch_size = 1};
    int rc = plan_build(&plan, &in, &err);
    if (rc == PLAN_OK) {
        plan_expected(plan, 0, share);
        double draws = (double)plan_epoch(plan, 0).steps;
        for (uint32_t c = 0; c < classes; c++)
            printf("%s%.0f", c ? "," : "", share[c] * draws);
        printf("\n");
        plan_unref(plan);
    } else {
        printf("refused: %s\n", err.message);
    }
    strategy_fini(&s);
    return rc == PLAN_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    char line[256], *words[8] = {argv[0]};
    if (argc > 1)
        return print_counts(argc, argv);
    while (fgets(line, sizeof(line), stdin)) {
        int n = 1;
        for (char *rest, *w = strtok_r(line, " \n", &rest); w && n < 8;
             w = strtok_r(NULL, " \n", &rest))
            words[n++] = w;
        if (print_counts(n, words) == 2)
            return 2;
    }
    return 0;
}
