/* An SNS topic by its ARN, and what follows from it: where its region's SNS is, and whose certificates sign there.
 * Pure.
 *
 * The host of a signing certificate is built here and compared whole. No pattern may take its place: names that look
 * like SNS's can belong to anybody (a bucket named "sns" is sns.s3-REGION.amazonaws.com). */
#ifndef TURNOUT_HANDLERS_SNS_TOPIC_H
#define TURNOUT_HANDLERS_SNS_TOPIC_H

#include "base/err.h"

#define SNS_NAMES 3

struct sns_topic {
    char arn[384];
    char region[32];
    char account[16];
    char host[64]; /* "sns.eu-west-1.amazonaws.com" */
    /* What a certificate that signs in this region may be named; "" beyond the last. */
    char names[SNS_NAMES][80];
};

/* arn:PARTITION:sns:REGION:ACCOUNT:NAME of a standard topic, in the partitions aws, aws-cn, aws-us-gov and aws-eusc.
 * ERR_INVALID. */
MUST_CHECK enum err sns_topic_parse(const char *arn, struct sns_topic *ret, struct errmsg *why);

#endif
