/* See sns_topic.h. Formats: "Amazon Resource Names (ARNs)" and CreateTopic of the AWS documentation. The names of the
 * signing certificates: the regions' own, as AWS's SDK for Java 2 (sns-message-manager, SnsHostProvider) has them. */
#include "handlers/sns_topic.h"

#include <stdio.h>
#include <string.h>

#define MAX_TOPIC_NAME 256

static const char lower[] = "abcdefghijklmnopqrstuvwxyz";
static const char digits[] = "0123456789";

static const struct partition {
    const char *name;
    const char *regions; /* how the names of its regions begin; "": every other way */
    const char *suffix;  /* of its hosts */
} partitions[] = {
    {"aws-cn", "cn-", "amazonaws.com.cn"},
    {"aws-us-gov", "us-gov-", "amazonaws.com"},
    {"aws-eusc", "eusc-", "amazonaws.eu"},
    {"aws", "", "amazonaws.com"},
    {NULL, NULL, NULL},
};

/* The part up to the next colon, or the rest; false when there is none or it does not fit. */
static bool next_part(const char **at, char *part, size_t size)
{
    if (!*at)
        return false;
    size_t len = strcspn(*at, ":");
    if (len == 0 || len >= size)
        return false;
    memcpy(part, *at, len);
    part[len] = '\0';
    *at = (*at)[len] == ':' ? *at + len + 1 : NULL;
    return true;
}

static bool is_made_of(const char *text, const char *first, const char *second)
{
    for (; *text; text++)
        if (!strchr(first, *text) && !strchr(second, *text))
            return false;
    return true;
}

/* "eu-west-1": words of small letters, then a number. */
static bool is_region(const char *text)
{
    int words = 0;
    while (strspn(text, lower) > 0) {
        text += strspn(text, lower);
        if (*text++ != '-')
            return false;
        words++;
    }
    size_t n = strspn(text, digits);
    return words >= 2 && n >= 1 && n <= 2 && text[n] == '\0';
}

/* The first whose regions begin so: that of a region, also when the ARN says another. */
static const struct partition *partition_of(const char *region)
{
    const struct partition *partition = partitions;
    while (strncmp(region, partition->regions, strlen(partition->regions)) != 0)
        partition++;
    return partition;
}

static void fill_hosts(const struct partition *partition, struct sns_topic *topic)
{
    const char *region = topic->region, *suffix = partition->suffix;
    bool is_gov = strcmp(partition->name, "aws-us-gov") == 0; /* both of its regions sign with one name */
    snprintf(topic->host, sizeof topic->host, "sns.%s.%s", region, suffix);
    snprintf(topic->names[0], sizeof topic->names[0], "sns.%s", suffix);
    snprintf(topic->names[1], sizeof topic->names[1], "sns-signing.%s.%s", region, suffix);
    if (strcmp(partition->name, "aws") != 0)
        snprintf(topic->names[2], sizeof topic->names[2], "sns-%s.%s", is_gov ? "us-gov-west-1" : region, suffix);
}

static enum err check_name(const char *name, struct errmsg *why)
{
    static const char fifo[] = ".fifo";
    size_t len = strlen(name);
    if (len >= sizeof fifo && strcmp(name + len - (sizeof fifo - 1), fifo) == 0)
        return err_set(why, ERR_INVALID, "a FIFO topic does not deliver over HTTP");
    if (len > MAX_TOPIC_NAME ||
        !is_made_of(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_", "abcdefghijklmnopqrstuvwxyz0123456789"))
        return err_set(why, ERR_INVALID, "the name of a topic has letters, digits, \"-\" and \"_\" only");
    return ERR_OK;
}

enum err sns_topic_parse(const char *arn, struct sns_topic *ret, struct errmsg *why)
{
    char prefix[8], service[8], name[MAX_TOPIC_NAME + 8], partition[16];
    const char *at = arn;
    *ret = (struct sns_topic){.arn = ""};
    if (!next_part(&at, prefix, sizeof prefix) || strcmp(prefix, "arn") != 0 ||
        !next_part(&at, partition, sizeof partition) || !next_part(&at, service, sizeof service) ||
        strcmp(service, "sns") != 0 || !next_part(&at, ret->region, sizeof ret->region) ||
        !next_part(&at, ret->account, sizeof ret->account) || !next_part(&at, name, sizeof name) || at)
        return err_set(why, ERR_INVALID, "it is not arn:aws:sns:REGION:ACCOUNT:NAME");
    if (!is_region(ret->region))
        return err_set(why, ERR_INVALID, "its region is none");
    if (strcmp(partition_of(ret->region)->name, partition) != 0)
        return err_set(why, ERR_INVALID, "its region is in the partition %s", partition_of(ret->region)->name);
    if (strlen(ret->account) != 12 || !is_made_of(ret->account, digits, ""))
        return err_set(why, ERR_INVALID, "its account has not 12 digits");
    snprintf(ret->arn, sizeof ret->arn, "%s", arn);
    fill_hosts(partition_of(ret->region), ret);
    return check_name(name, why);
}
