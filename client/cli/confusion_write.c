/* The matrix of `evendraw confusion` as files, CSV and SVG. Called by confusion.c. */
#include "confusion.h"

#include <inttypes.h>
#include "output.h"
#include "proto/decimal.h"

/* ---- CSV ---- */

static void csv_matrix(FILE *out, const json_t *answer, size_t classes)
{
    fputs("true\\predicted", out);
    for (size_t c = 0; c < classes; c++) {
        fputc(',', out);
        csv_text(out, class_name(answer, c));
    }
    fputc('\n', out);
    for (size_t label = 0; label < classes; label++) {
        csv_text(out, class_name(answer, label));
        for (size_t c = 0; c < classes; c++)
            fprintf(out, ",%" PRIu64, confusion_cell(answer, label, c));
        fputc('\n', out);
    }
}

static void csv_classes(FILE *out, const json_t *answer, size_t classes)
{
    static const char *const counts[] = {"support", "predicted"};
    static const char *const scores[] = {"precision", "recall", "f1"};

    char number[DECIMAL_TEXT];

    fputs("class,support,predicted,precision,recall,f1\n", out);
    for (size_t c = 0; c < classes; c++) {
        csv_text(out, class_name(answer, c));
        for (size_t i = 0; i < 2; i++)
            fprintf(out, ",%" JSON_INTEGER_FORMAT,
                    json_integer_value(class_item(answer, counts[i], c)));
        for (size_t i = 0; i < 3; i++)
            fprintf(out, ",%s",
                    decimal_text(json_number_value(class_item(answer, scores[i], c)), number));
        fputc('\n', out);
    }
}

void confusion_write_csv(FILE *out, const json_t *answer)
{
    size_t classes = json_array_size(json_object_get(answer, "class"));

    if (confusion_has_matrix(answer))
        csv_matrix(out, answer, classes);
    else
        csv_classes(out, answer, classes);
}

/* ---- SVG ---- */

#define NAMED_MOST    100u /* classes whose names are written */
#define NUMBERED_MOST 25u  /* classes whose counts are written in the cells */
#define NAME_LETTERS  24u  /* of a name; the rest is cut */
#define LETTER        7.0  /* width of a letter at most, at font size 12 */

struct canvas {
    size_t classes;
    double cell, left, top; /* in pixels: a cell's side, and where the first one is */
    double font;            /* of names */
};

static size_t letters_of(const char *text)
{
    size_t letters = 0;

    for (; *text != '\0'; text++)
        letters += ((unsigned char)*text & 0xC0) != 0x80;
    return letters;
}

static struct canvas drawing_of(const json_t *answer)
{
    struct canvas d = {.classes = json_array_size(json_object_get(answer, "class"))};
    size_t longest = 0;

    for (size_t c = 0; c < d.classes && d.classes <= NAMED_MOST; c++) {
        size_t letters = letters_of(class_name(answer, c));
        longest = letters > longest ? letters : longest;
    }
    if (longest > NAME_LETTERS)
        longest = NAME_LETTERS + 1;
    d.cell = d.classes <= 12              ? 48
             : d.classes <= NUMBERED_MOST ? 36
             : d.classes <= NAMED_MOST    ? 12
                                          : 1000.0 / (double)d.classes;
    d.font = d.cell < 14 ? d.cell - 2 : 12;
    d.left = 40 + (double)longest * LETTER * d.font / 12;
    d.top = 50 + (double)longest * LETTER * d.font / 12;
    return d;
}

static void svg_head(FILE *out, const json_t *answer, const struct canvas *d)
{
    double side = d->cell * (double)d->classes;
    double wide = d->left + side + 20 < 480 ? 480 : d->left + side + 20;

    svg_begin(out, wide, d->top + side + 40);
    svg_whose(out, answer, NAME_LETTERS);
    fprintf(out, ": accuracy %.3f, balanced %.3f</text>\n",
            json_number_value(json_object_get(answer, "accuracy")),
            json_number_value(json_object_get(answer, "balanced_accuracy")));
    fprintf(out,
            "<text x=\"%.1f\" y=\"%.1f\" font-size=\"12\" text-anchor=\"middle\">"
            "predicted</text>\n",
            d->left + side / 2, d->top + side + 24);
    fprintf(out,
            "<text transform=\"translate(20 %.1f) rotate(-90)\" font-size=\"12\" "
            "text-anchor=\"middle\">true</text>\n",
            d->top + side / 2);
    fprintf(out,
            "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"#f7fbff\" "
            "stroke=\"#888888\"/>\n",
            d->left, d->top, side, side);
}

static void svg_names(FILE *out, const json_t *answer, const struct canvas *d)
{
    for (size_t c = 0; c < d->classes; c++) {
        double middle = ((double)c + 0.5) * d->cell + d->font * 0.35;

        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.0f\" text-anchor=\"end\">",
                d->left - 6, d->top + middle, d->font);
        xml_text(out, class_name(answer, c), NAME_LETTERS);
        fprintf(out,
                "</text>\n<text transform=\"translate(%.1f %.1f) rotate(-90)\" "
                "font-size=\"%.0f\">",
                d->left + middle, d->top - 6, d->font);
        xml_text(out, class_name(answer, c), NAME_LETTERS);
        fputs("</text>\n", out);
    }
}

/* From nearly white to dark blue. */
static unsigned colour(double share)
{
    static const double from[] = {247, 251, 255}, to[] = {8, 48, 107};
    unsigned rgb = 0;

    for (int i = 0; i < 3; i++)
        rgb = rgb << 8 | (unsigned)(from[i] + (to[i] - from[i]) * share + 0.5);
    return rgb;
}

static void svg_cell(FILE *out, const json_t *answer, const struct canvas *d, size_t label,
                     size_t predicted)
{
    double share = confusion_share(answer, label, predicted);
    double x = d->left + (double)predicted * d->cell, y = d->top + (double)label * d->cell;
    uint64_t count = confusion_cell(answer, label, predicted);

    if (count == 0)
        return;
    fprintf(out, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"#%06x\"/>\n", x,
            y, d->cell, d->cell, colour(share));
    if (d->classes <= NUMBERED_MOST)
        fprintf(out,
                "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%d\" text-anchor=\"middle\" "
                "fill=\"#%s\">%" PRIu64 "</text>\n",
                x + d->cell / 2, y + d->cell / 2 + 4, count < 100000 ? 11 : 7,
                share > 0.5 ? "ffffff" : "000000", count);
}

void confusion_write_svg(FILE *out, const json_t *answer)
{
    struct canvas d = drawing_of(answer);

    svg_head(out, answer, &d);
    if (d.classes <= NAMED_MOST)
        svg_names(out, answer, &d);
    for (size_t label = 0; label < d.classes; label++) {
        for (size_t predicted = 0; predicted < d.classes; predicted++)
            svg_cell(out, answer, &d, label, predicted);
    }
    fputs("</svg>\n", out);
}
