/*
 * The terms with which folds are attached: evd_folds_terms of evendraw_folds.h. By them
 * evd_attachment_find (find.c) knows whether they are there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <jansson.h>
#include "client/lib/folds.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

char *evd_folds_terms(const evd_folds_options *options, const uint16_t *fold)
{
    static const char *const names[] = {
        [EVD_FOLDS_STRATIFIED] = "stratified",
        [EVD_FOLDS_GROUPED] = "grouped",
        [EVD_FOLDS_MULTILABEL] = "multi-label",
        [EVD_FOLDS_HARDNESS] = "instance-hardness",
    };
    const bool drawn =
        options->method == EVD_FOLDS_STRATIFIED || options->method == EVD_FOLDS_MULTILABEL;
    char digest[17], *text;
    json_t *terms;
    int failed;

    snprintf(digest, sizeof(digest), "%016" PRIx64,
             (uint64_t)XXH3_64bits(fold, (size_t)options->n * sizeof(*fold)));
    terms = json_pack("{s:s}", "how", names[options->method]);
    /* Where nothing is drawn the seed does not matter. It comes before the values: who has others
     * by another seed is told of that. */
    failed = drawn && json_object_set_new(terms, "seed", json_integer((json_int_t)options->seed));
    failed |= json_object_set_new(terms, "values", json_string(digest)) |
              json_object_set_new(terms, "library", json_string(evd_version()));
    text = failed ? NULL : json_dumps(terms, JSON_COMPACT);
    json_decref(terms);
    return text;
}
