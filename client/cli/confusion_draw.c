/* The matrix of `evendraw confusion` on the terminal. Called by confusion.c. */
#include "confusion.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>

#define WORST 12 /* pairs that are listed where no matrix fits */

/* How the matrix is laid out in the terminal. */
struct layout {
    int name, number, cell; /* columns; cell: 4 with percent, 1 without; 0: it does not fit */
    bool fine;              /* UTF-8 */
};

static struct layout layout_of(const json_t *answer)
{
    size_t classes = json_array_size(json_object_get(answer, "class"));
    int longest = 0, width = terminal_width(stdout), room;
    struct layout layout = {.fine = strcmp(nl_langinfo(CODESET), "UTF-8") == 0};

    for (size_t c = 0; c < classes; c++) {
        int name = text_width(class_name(answer, c));
        longest = name > longest ? name : longest;
    }
    layout.name = longest > width / 4 ? width / 4 : longest;
    layout.number = snprintf(NULL, 0, "%zu", classes - 1);
    room = width - layout.name - layout.number - 4;
    if (classes * 4 <= (size_t)room)
        layout.cell = 4;
    else if (classes <= (size_t)room)
        layout.cell = 1;
    return layout;
}

/* Little is not nothing. */
static const char *shade(double share, bool fine)
{
    static const char *const blocks[] = {" ", "░", "▒", "▓", "█"};
    static const char *const plain[] = {" ", ".", "+", "*", "#"};
    int step = share <= 0 ? 0 : share < 0.25 ? 1 : share < 0.5 ? 2 : share < 0.75 ? 3 : 4;

    return (fine ? blocks : plain)[step];
}

/* The predicted classes' numbers; of narrow columns the last digit. */
static void draw_head(const struct layout *layout, size_t classes)
{
    printf("  %*s  ", layout->name + layout->number + 1, "true");
    for (size_t c = 0; c < classes; c++) {
        if (layout->cell == 1)
            printf("%zu", c % 10);
        else
            printf("%4zu", c);
    }
    printf("\n");
}

static void draw_row(const json_t *answer, const struct layout *layout, size_t label)
{
    size_t classes = json_array_size(json_object_get(answer, "class"));

    fputs("  ", stdout);
    print_padded(stdout, class_name(answer, label), layout->name);
    printf(" %*zu  ", layout->number, label);
    for (size_t c = 0; c < classes; c++) {
        double share = confusion_share(answer, label, c);

        fputs(shade(share, layout->fine), stdout);
        if (layout->cell == 1)
            continue;
        if (confusion_cell(answer, label, c) == 0)
            fputs("  .", stdout);
        else
            printf("%3.0f", share * 100);
    }
    fputc('\n', stdout);
}

static void draw_matrix(const json_t *answer, const struct layout *layout)
{
    size_t classes = json_array_size(json_object_get(answer, "class"));

    if (layout->cell == 4)
        printf("  Percent of each true class (rows) predicted as each class (columns):\n");
    else
        printf("  Share of each true class (rows) predicted as each class (columns):\n");
    draw_head(layout, classes);
    for (size_t label = 0; label < classes; label++)
        draw_row(answer, layout, label);
    fputc('\n', stdout);
}

struct pair {
    size_t label, predicted;
    uint64_t count;
};

/* Keeps the pairs sorted, the greatest first. */
static void pair_insert(struct pair *pairs, size_t *n, struct pair pair)
{
    size_t at = *n;

    if (pair.count == 0 || (*n == WORST && pair.count <= pairs[WORST - 1].count))
        return;
    if (*n < WORST)
        (*n)++;
    else
        at--;
    for (; at > 0 && pairs[at - 1].count < pair.count; at--)
        pairs[at] = pairs[at - 1];
    pairs[at] = pair;
}

static void list_worst(const json_t *answer)
{
    size_t classes = json_array_size(json_object_get(answer, "class")), n = 0;
    struct pair pairs[WORST];

    for (size_t label = 0; label < classes; label++) {
        for (size_t c = 0; c < classes; c++) {
            if (c != label)
                pair_insert(pairs, &n, (struct pair){label, c, confusion_cell(answer, label, c)});
        }
    }
    printf("  Too many classes for this terminal (--svg draws them). Confused most:\n");
    for (size_t i = 0; i < n; i++)
        printf("  %8s  %7s of %s as %s\n", text_count(pairs[i].count),
               text_share(confusion_share(answer, pairs[i].label, pairs[i].predicted), 1),
               class_name(answer, pairs[i].label), class_name(answer, pairs[i].predicted));
    fputc('\n', stdout);
}

void confusion_draw(const json_t *answer)
{
    struct layout layout;

    if (!confusion_has_matrix(answer))
        return;
    layout = layout_of(answer);
    if (layout.cell == 0)
        list_worst(answer);
    else
        draw_matrix(answer, &layout);
}
