/* All files of a service at once. See export.h. */
#include "core/export.h"

#include "base/cleanup.h"
#include "core/export_text.h"

#include <string.h>

static json_t *file_json(const json_t *plan, const char *suffix, const char *mode, const struct strbuf *text)
{
    return json_pack("{s:o, s:s, s:s%}", "name", json_sprintf("%s%s", export_text(plan, "service"), suffix), "mode",
                     mode, "text", strbuf_text(text), text->len);
}

static enum err add_script(json_t *files, const json_t *plan, const char *suffix, const char *at, struct errmsg *why)
{
    CLEANUP(strbuf_done) struct strbuf text = STRBUF_INIT;
    enum err err = export_script(plan, at, &text, why);
    if (err == ERR_OK && json_array_append_new(files, file_json(plan, suffix, "0700", &text)) != 0)
        err = err_set(why, ERR_NO_MEMORY, "out of memory");
    return err;
}

json_t *export_files(const json_t *there, const json_t *back, const char *at, struct errmsg *why)
{
    CLEANUP(strbuf_done) struct strbuf text = STRBUF_INIT;
    json_t *files = json_array();
    enum err err = add_script(files, there, "-failover.sh", at, why);
    if (err == ERR_OK && back)
        err = add_script(files, back, "-failback.sh", at, why);
    if (err == ERR_OK)
        err = export_runbook(there, back, at, &text, why);
    if (err == ERR_OK && json_array_append_new(files, file_json(there, ".md", "0600", &text)) != 0)
        err = err_set(why, ERR_NO_MEMORY, "out of memory");
    if (err == ERR_OK)
        return files;
    json_decref(files);
    return NULL;
}

bool export_is_whole(const json_t *plan)
{
    size_t i;
    const json_t *step;
    json_array_foreach(json_object_get(plan, "steps"), i, step)
    {
        const char *state = export_text(step, "state");
        const bool is_known = strcmp(state, "unknown") != 0 && strcmp(state, "fails") != 0;
        if (!is_known && !json_is_string(json_object_get(step, "script")))
            return false;
    }
    return true;
}
