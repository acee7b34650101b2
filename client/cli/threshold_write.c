/* The curve of `evendraw threshold` as files, CSV and SVG. Called by threshold.c. */
#include "threshold.h"

#include <math.h>
#include <string.h>
#include "classes.h"
#include "proto/decimal.h"

/* What is drawn of each kind, in the daemon's words and in people's. */
struct axes {
    const char *kind, *x, *y, *x_name, *y_name;
};

static const struct axes *axes_of(const json_t *curve)
{
    static const struct axes all[] = {
        {"precision-recall", "recall", "precision", "recall", "precision"},
        {"roc", "false_positive_rate", "true_positive_rate", "false positive rate",
         "true positive rate"},
        {"calibration", "predicted", "observed", "mean score", "share that is"},
    };
    size_t i = 0;

    while (i < 2 && strcmp(field_text(curve, "kind"), all[i].kind) != 0)
        i++;
    return &all[i];
}

/* ---- CSV ---- */

void threshold_write_csv(FILE *out, const json_t *answer)
{
    const json_t *curve = json_object_get(answer, "curve");
    const struct axes *axes = axes_of(curve);
    const bool bins = json_object_get(curve, "count");
    const char *columns[] = {bins ? axes->x : "threshold", bins ? axes->y : axes->x,
                             bins ? "count" : axes->y};
    char number[DECIMAL_TEXT];

    fprintf(out, "%s,%s,%s\n", columns[0], columns[1], columns[2]);
    for (size_t i = 0; i < json_array_size(json_object_get(curve, axes->x)); i++) {
        for (size_t c = 0; c < 3; c++) {
            const json_t *value = class_item(curve, columns[c], i);

            if (c > 0)
                fputc(',', out);
            if (json_is_number(value)) /* the last point has no threshold */
                fputs(decimal_text(json_number_value(value), number), out);
        }
        fputc('\n', out);
    }
}

/* ---- SVG ---- */

#define SIDE    440.0 /* of the square that is drawn in, in pixels */
#define LEFT_OF 70.0  /* where it begins */
#define TOP_OF  50.0
#define NEAR    0.25 /* pixels; points that are nearer to the one before are not seen */
#define LETTERS 24u  /* of names */

static double x_at(double share)
{
    return LEFT_OF + share * SIDE;
}

static double y_at(double share)
{
    return TOP_OF + (1 - share) * SIDE;
}

static void svg_title(FILE *out, const json_t *answer, const json_t *curve)
{
    svg_begin(out, LEFT_OF + SIDE + 30, TOP_OF + SIDE + 60);
    svg_whose(out, answer, LETTERS);
    if (json_object_get(curve, "brier"))
        fprintf(out, ": Brier score %.4f, calibration error %.4f", field_f64(curve, "brier"),
                field_f64(curve, "calibration_error"));
    else
        fprintf(out, ": %s %.4f",
                strcmp(field_text(curve, "kind"), "roc") == 0 ? "area" : "average precision",
                field_f64(curve, "area"));
    fputs("</text>\n", out);
}

static void svg_grid(FILE *out)
{
    for (int i = 0; i <= 5; i++) {
        double share = i / 5.0;

        fprintf(out,
                "<path d=\"M%.1f %.1fV%.1fM%.1f %.1fH%.1f\" stroke=\"#e0e0e0\"/>\n"
                "<text x=\"%.1f\" y=\"%.1f\" font-size=\"12\" text-anchor=\"middle\">%.1f</text>\n"
                "<text x=\"%.1f\" y=\"%.1f\" font-size=\"12\" text-anchor=\"end\">%.1f</text>\n",
                x_at(share), y_at(0), y_at(1), x_at(0), y_at(share), x_at(1), x_at(share),
                y_at(0) + 18, share, x_at(0) - 8, y_at(share) + 4, share);
    }
    fprintf(out, "<path d=\"M%.1f %.1fV%.1fH%.1f\" fill=\"none\" stroke=\"#000000\"/>\n", x_at(0),
            y_at(1), y_at(0), x_at(1));
}

static void svg_names(FILE *out, const json_t *answer, const struct axes *axes)
{
    const bool calibration = strcmp(axes->kind, "calibration") == 0;

    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"13\" text-anchor=\"middle\">%s</text>\n",
            x_at(0.5), y_at(0) + 42, axes->x_name);
    fprintf(out,
            "<text transform=\"translate(22 %.1f) rotate(-90)\" font-size=\"13\" "
            "text-anchor=\"middle\">%s ",
            y_at(0.5), axes->y_name);
    if (!calibration)
        fputs("of ", out);
    xml_text(out, class_name(answer, 1), LETTERS);
    fputs("</text>\n", out);
}

/* What guessing gives, or of calibration what is right. */
static void svg_baseline(FILE *out, const json_t *answer, const struct axes *axes)
{
    bool flat = strcmp(axes->kind, "precision-recall") == 0;
    double share = flat ? (double)field_u64(answer, "positives") / field_f64(answer, "samples") : 0;

    fprintf(out,
            "<path class=\"baseline\" d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"#888888\" "
            "stroke-dasharray=\"5 4\"/>\n",
            x_at(0), y_at(flat ? share : 0), x_at(1), y_at(flat ? share : 1));
}

/* Average precision is the area under steps, so a precision-recall curve is drawn as such. */
static void svg_line(FILE *out, const json_t *curve, const struct axes *axes)
{
    size_t points = json_array_size(json_object_get(curve, axes->x));
    bool steps = strcmp(axes->kind, "precision-recall") == 0;
    double last_x = NAN, last_y = NAN;

    fputs("<path class=\"curve\" fill=\"none\" stroke=\"#08306b\" stroke-width=\"2\" d=\"", out);
    for (size_t i = 0; i < points; i++) {
        double x = x_at(json_number_value(class_item(curve, axes->x, i)));
        double y = y_at(json_number_value(class_item(curve, axes->y, i)));

        if (i > 0 && i + 1 < points && fabs(x - last_x) < NEAR && fabs(y - last_y) < NEAR)
            continue;
        if (i > 0 && steps)
            fprintf(out, "H%.2fV%.2f", x, y);
        else
            fprintf(out, "%c%.2f %.2f", i > 0 ? 'L' : 'M', x, y);
        last_x = x;
        last_y = y;
    }
    fputs("\"/>\n", out);
}

/* Every bin, as large as it has samples. */
static void svg_bins(FILE *out, const json_t *answer, const json_t *curve, const struct axes *axes)
{
    for (size_t i = 0; i < json_array_size(json_object_get(curve, axes->x)); i++) {
        double share = (double)class_u64(curve, "count", i) / field_f64(answer, "samples");

        fprintf(out,
                "<circle class=\"bin\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"#08306b\"/>\n",
                x_at(json_number_value(class_item(curve, axes->x, i))),
                y_at(json_number_value(class_item(curve, axes->y, i))), 3 + 9 * sqrt(share));
    }
}

static void svg_chosen(FILE *out, const json_t *answer, const struct axes *axes)
{
    const json_t *row = threshold_chosen(answer);
    bool roc = strcmp(axes->kind, "roc") == 0;
    double alarms = field_f64(row, "false_positive"), rest = field_f64(row, "true_negative");
    double x = roc ? alarms / (alarms + rest) : field_f64(row, "recall");
    double y = roc ? field_f64(row, "recall") : field_f64(row, "precision");
    char number[DECIMAL_TEXT];

    if (!row)
        return;
    fprintf(out,
            "<circle class=\"chosen\" cx=\"%.1f\" cy=\"%.1f\" r=\"6\" fill=\"#cb181d\"/>\n"
            "<text x=\"%.1f\" y=\"%.1f\" font-size=\"12\" fill=\"#cb181d\">%s: threshold "
            "%s</text>\n",
            x_at(x), y_at(y), x_at(0), y_at(1) - 10, field_text(row, "objective"),
            decimal_text(field_f64(row, "threshold"), number));
}

void threshold_write_svg(FILE *out, const json_t *answer)
{
    const json_t *curve = json_object_get(answer, "curve");
    const struct axes *axes = axes_of(curve);

    svg_title(out, answer, curve);
    svg_grid(out);
    svg_names(out, answer, axes);
    svg_baseline(out, answer, axes);
    svg_line(out, curve, axes);
    if (json_object_get(curve, "count"))
        svg_bins(out, answer, curve, axes);
    else
        svg_chosen(out, answer, axes);
    fputs("</svg>\n", out);
}
