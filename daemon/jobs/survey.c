/* What there is, thing by thing (survey.h). */
#include "jobs/survey.h"

#include "dataset/attachment.h"
#include "jobs/datasets.h"
#include "jobs/entry.h"

static void survey_attachments(const struct dataset *dataset, server_tell_thing *tell, void *arg)
{
    for (uint32_t i = 0; i < dataset->attachment_count; i++) {
        const struct attachment *attachment = dataset->attachments[i];
        const struct server_thing thing = {
            .kind = SERVER_ATTACHMENT,
            .id = attachment->id,
            .name = attachment->name,
            .dataset = dataset->name,
            .version = dataset->version,
            .samples = attachment->samples,
            .of = dataset->id,
            .code = attachment->damage ? EVD_E_STORE : EVD_OK,
            .damage = attachment->damage,
        };

        tell(arg, &thing);
    }
}

void jobs_survey(const struct jobs *jobs, server_tell_thing *tell, void *arg)
{
    for (uint32_t i = 0; i < jobs->dataset_count; i++) {
        const struct dataset *dataset = jobs->datasets[i].dataset;
        const struct server_thing thing = {
            .kind = SERVER_DATASET,
            .id = dataset->id,
            .name = dataset->name,
            .version = dataset->version,
            .samples = dataset->index.samples,
            .code = dataset->damage ? EVD_E_STORE : EVD_OK,
            .damage = dataset->damage,
        };

        tell(arg, &thing);
    }
    for (uint32_t i = 0; i < jobs->dataset_count; i++)
        survey_attachments(jobs->datasets[i].dataset, tell, arg);
    for (uint32_t i = 0; i < jobs->job_count; i++) {
        const struct job_entry *entry = jobs->jobs[i];
        bool failed = entry->failure.code != EVD_OK;
        const struct server_thing thing = {
            .kind = SERVER_JOB,
            .id = entry->id,
            .name = entry->name,
            .of = entry->dataset ? entry->dataset->id : 0,
            .code = failed ? entry->failure.code : EVD_OK,
            .damage = failed ? entry->failure.message : NULL,
        };

        tell(arg, &thing);
    }
}
