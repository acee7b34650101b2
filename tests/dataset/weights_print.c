/* weights_print counts|shares BETA TOTAL VALUE...: a line of weights for each kind; tau is BETA +
 * 0.5.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dataset/weights.h"

#define MOST 64

int main(int argc, char **argv)
{
    uint32_t classes = argc < 5 || argc > 4 + MOST ? 0 : (uint32_t)argc - 4;
    double shares[MOST], out[MOST];
    uint64_t counts[MOST];
    struct evd_error err;

    if (classes == 0)
        return 2;
    for (uint32_t c = 0; c < classes; c++) {
        shares[c] = strtod(argv[4 + c], NULL);
        counts[c] = strtoull(argv[4 + c], NULL, 10);
    }
    for (int kind = 0; kind < WEIGHT_KIND_COUNT; kind++) {
        double beta = strtod(argv[2], NULL), total = strtod(argv[3], NULL);
        double term = kind == WEIGHT_LOGIT_ADJUSTMENT ? beta + 0.5 : beta;
        int code = strcmp(argv[1], "counts") == 0
                       ? weights_from_counts(kind, counts, classes, term, out, &err)
                       : weights_from_shares(kind, shares, classes, total, term, out, &err);
        if (code != EVD_OK) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        printf("%s", weight_kind_name(kind));
        for (uint32_t c = 0; c < classes; c++)
            printf(" %.17g", out[c]);
        printf("\n");
    }
    return 0;
}
