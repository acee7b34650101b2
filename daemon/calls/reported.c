/* A report is answered when all that it set off has ended (reported.h). Called by job.report, and
 * by the changes that follow. */
#include "calls/reported.h"

#include <assert.h>

void report_hold(struct report *report)
{
    report->pending++;
}

void report_release(struct report *report)
{
    msgpack_packer *pk;

    assert(report->pending > 0);
    if (--report->pending > 0)
        return;
    pk = task_answer(&report->task);
    pack_key_cstr(pk, "job", report->task.entry->name);
    pack_key_u64(pk, "generation", report->at.generation);
    pack_key_u64(pk, "epoch", report->at.epoch);
    pack_key_u64(pk, "step", report->at.step);
    pack_key_u64(pk, "rank", report->rank);
    pack_key_bool(pk, "counted", report->counted);
    task_done(&report->task);
}
