/*
 * The terms with which what is computed from features is attached: the functions of
 * evendraw_features.h that write them. By them evd_attachment_find (find.c) knows whether it is
 * there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <jansson.h>
#include <evendraw_features.h>

/* Of which features; the caller packs more. */
static json_t *terms_of(const evd_neighbours_options *options)
{
    char digest[17];

    snprintf(digest, sizeof(digest), "%016" PRIx64, evd_features_digest(options));
    return json_pack("{s:s, s:s, s:I, s:I, s:s}", "features", digest, "type",
                     options->type == EVD_FEATURES_F64 ? "float64" : "float32", "d",
                     (json_int_t)options->d, "n", (json_int_t)options->n, "library", evd_version());
}

/* As text; NULL if it failed before. Releases them. */
static char *text_of(json_t *terms, int failed)
{
    char *text = failed ? NULL : json_dumps(terms, JSON_COMPACT);

    json_decref(terms);
    return text;
}

char *evd_neighbours_terms(const evd_neighbours_options *options)
{
    json_t *terms = terms_of(options);

    return text_of(terms, json_object_set_new(terms, "exact", json_true()));
}
