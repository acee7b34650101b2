/* Statistics of the class counts (dataset.h). Called once, when a dataset is built. */
#include "dataset/builder.h"

#include <math.h>

void summarise(const struct dataset *dataset, struct dataset_summary *out)
{
    const struct class_index *index = &dataset->index;
    uint32_t present;

    *out = (struct dataset_summary){
        .samples = index->samples, .labelled = index->labelled, .classes = index->classes};
    for (uint32_t c = 0; c < index->classes; c++) {
        uint64_t count = dataset_class_count(dataset, c);
        if (count == 0) {
            out->empty_classes++;
            continue;
        }
        if (count > out->largest_count) {
            out->largest = c;
            out->largest_count = count;
        }
        if (out->smallest_count == 0 || count < out->smallest_count) {
            out->smallest = c;
            out->smallest_count = count;
        }
        double share = (double)count / (double)index->labelled;
        out->entropy -= share * log2(share);
    }
    present = index->classes - out->empty_classes;
    out->imbalance_ratio = (double)out->largest_count / (double)out->smallest_count;
    if (present == 1)
        out->entropy = 0.0; /* not -0.0 */
    out->balance = present == 1 ? 1.0 : out->entropy / log2(present);
}
