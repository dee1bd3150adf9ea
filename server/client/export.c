/* `turnout export`: the break-glass files of a service, into a folder. */
#include "client/client.h"

#include "exporter/exporter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int write_all(const json_t *answer, const char *folder)
{
    size_t i;
    const json_t *file;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        fprintf(stderr, "turnout: %s cannot be made: %s\n", folder, strerror(errno));
        return EXIT_FAILED;
    }
    json_array_foreach(json_object_get(answer, "files"), i, file)
    {
        struct errmsg why = {0};
        if (export_file_write(folder, file, &why) != ERR_OK) {
            fprintf(stderr, "turnout: %s\n", why.text);
            return EXIT_FAILED;
        }
        printf("%s/%s\n", folder, text_of(file, "name"));
    }
    if (!json_is_true(json_object_get(answer, "is_whole")))
        fprintf(stderr, "turnout: not each step could be looked at on %s, so the script stops where it cannot go on\n",
                text_of(answer, "at"));
    return EXIT_DONE;
}

int command_export(const struct options *options)
{
    char path[MAX_PATH];
    json_t *answer = NULL;
    if (!is_plain(options->words[0]))
        return EXIT_USAGE;
    snprintf(path, sizeof path, "/api/v1/services/%s/export", options->words[0]);
    int code = client_call(options, "GET", path, NULL, &answer);
    if (code == EXIT_DONE && !options->is_json)
        code = write_all(answer, options->to_dir ? options->to_dir : ".");
    json_decref(answer);
    return code;
}
