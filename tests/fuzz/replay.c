/* Runs a fuzzer's function once over each file of the folders given: the corpus as an ordinary test.
 *
 * Used by every build that is not libFuzzer's. Folders are read flat, in no particular order; a folder that is missing
 * or empty is a failure, since a test of nothing would pass for ever. */
#include "base/cleanup.h"

#include <dirent.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void cleanup_closedir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

/* Exactly as large as the file, so that ASan sees a read beyond its end. */
static uint8_t *file_read(const char *path, size_t *ret_size)
{
    FILE *file CLEANUP(cleanup_fclose) = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        return NULL;
    long size = ftell(file);
    if (size < 0 || fseek(file, 0, SEEK_SET) != 0)
        return NULL;
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    if (!data)
        return NULL;
    *ret_size = fread(data, 1, (size_t)size, file);
    return data;
}

static int folder_replay(const char *folder)
{
    DIR *dir CLEANUP(cleanup_closedir) = opendir(folder);
    if (!dir) {
        perror(folder);
        return -1;
    }
    int count = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        char path[4096];
        int len = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (len < 0 || (size_t)len >= sizeof(path)) {
            fprintf(stderr, "%s/%s: name too long\n", folder, entry->d_name);
            return -1;
        }
        size_t size = 0;
        uint8_t *data AUTO_FREE = file_read(path, &size);
        if (!data) {
            perror(path);
            return -1;
        }
        LLVMFuzzerTestOneInput(data, size);
        count++;
    }
    printf("%s: %d inputs\n", folder, count);
    return count;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (folder_replay(argv[i]) <= 0) {
            fprintf(stderr, "%s: no inputs\n", argv[i]);
            return 1;
        }
    }
    return 0;
}
