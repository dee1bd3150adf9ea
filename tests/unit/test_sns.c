/* SNS: what is genuine, what is forged, confirmations, raw deliveries, configurations. What stands inside of messages
 * is in tests/deliveries/sns. */
#include "sns_rig.h"

#include "config/reading.h"

/* ---- what is genuine --------------------------------------------------------------------------------------------- */

static void the_signed_text_is_that_of_the_guide(void **state)
{
    (void)state;
    json_t *envelope = notification("words\nin two lines");
    char *text = signed_text(envelope);
    assert_string_equal(text, "Message\nwords\nin two lines\nMessageId\n" UUID "\nTimestamp\n" TIME "\nTopicArn\n" TOPIC
                              "\nType\nNotification\n");
    free(text);
    json_object_set_new(envelope, "Subject", json_string("s"));
    text = signed_text(envelope);
    assert_string_equal(text, "Message\nwords\nin two lines\nMessageId\n" UUID "\nSubject\ns\nTimestamp\n" TIME
                              "\nTopicArn\n" TOPIC "\nType\nNotification\n");
    free(text);
    json_decref(envelope);
    envelope = confirmation("UnsubscribeConfirmation");
    text = signed_text(envelope);
    assert_string_equal(text, "Message\nYou have chosen something.\nVisit the URL.\nMessageId\n" UUID
                              "\nSubscribeURL\nhttps://" HOST "/?Action=ConfirmSubscription&TopicArn=" TOPIC
                              "&Token=" TOKEN "\nTimestamp\n" TIME "\nToken\n" TOKEN "\nTopicArn\n" TOPIC
                              "\nType\nUnsubscribeConfirmation\n");
    free(text);
    json_decref(envelope);
}

static void genuine_notifications(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    rig_usual(&rig);
    static const char *const subjects[] = {NULL, "", "ALARM: \"a\" in EU (Ireland)", "Überlast → 東京"};
    for (size_t version = 1; version <= 2; version++) {
        for (size_t i = 0; i < COUNT_OF(subjects); i++) {
            json_t *envelope = notification(MESSAGE);
            json_object_set_new(envelope, "SignatureVersion", json_string(version == 1 ? "1" : "2"));
            if (subjects[i])
                json_object_set_new(envelope, "Subject", json_string(subjects[i]));
            expect_ok(&rig, sign(envelope), &seen);
            assert_int_equal(seen.n, 1);
            assert_int_equal(seen.state, ALERT_FIRING);
            assert_string_equal(seen.identity, "arn:aws:cloudwatch:x");
            assert_int_equal(seen.asserted_at, ms(TIME)); /* the message has no StateChangeTime */
            assert_null(strstr(seen.stored, "Unsubscribe"));
        }
    }
    /* Control characters and bytes of every length in the message; attributes, which are not signed. */
    json_t *envelope = sign(notification("\t\x01 \x7f é 東 😀\r\n"));
    json_object_set_new(envelope, "MessageAttributes", json_pack("{s:{s:s,s:s}}", "a", "Type", "String", "Value", "b"));
    expect_ok(&rig, envelope, &seen);
    assert_int_equal(seen.n, 0);
    assert_string_not_equal(seen.nothing, "");
    rig_done(&rig);
}

static void what_is_kept_says_the_same(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen, again;
    rig_usual(&rig);
    json_t *envelopes[] = {notification(MESSAGE), notification("plain"), confirmation("SubscriptionConfirmation"),
                           confirmation("UnsubscribeConfirmation")};
    for (size_t i = 0; i < COUNT_OF(envelopes); i++) {
        json_object_set_new(envelopes[i], i == 0 ? "Subject" : "MessageId",
                            json_string(i == 0 ? "s \"quoted\" \\ é" : UUID));
        char *body = json_dumps(sign(envelopes[i]), 0);
        assert_int_equal(parse_at(&rig, body, strlen(body), NOW, true, &seen), ERR_OK);
        assert_int_equal(parse_at(&rig, seen.stored, strlen(seen.stored), NOW, true, &again), ERR_OK);
        assert_string_equal(again.stored, seen.stored);
        assert_int_equal(again.n, seen.n);
        assert_int_equal(again.need.kind, HANDLER_NEEDS_NOTHING);
        assert_string_equal(again.identity, seen.identity);
        assert_string_equal(again.nothing, seen.nothing);
        assert_string_equal(again.notice, seen.notice);
        static const char *const gone[] = {TOKEN, "ConfirmSubscription", "Action=Unsubscribe", "secret-subscription"};
        for (size_t k = 0; k < COUNT_OF(gone); k++)
            assert_null(strstr(seen.stored, gone[k]));
        /* A notification can be verified again from what is kept. */
        if (i < 2)
            assert_int_equal(parse_text(&rig, seen.stored, &again), ERR_OK);
        free(body);
        json_decref(envelopes[i]);
    }
    rig_done(&rig);
}

/* ---- forgeries --------------------------------------------------------------------------------------------------- */

enum when { BEFORE, AFTER }; /* it is signed */

static const struct forgery {
    const char *about;
    enum when when;
    const char *key, *value; /* value NULL: the field is not there */
    enum err err;
    const char *why;
} forgeries[] = {
    /* What is signed, changed. */
    {"another message", AFTER, "Message", "{}", ERR_DENIED, "the signature is not SNS's over this message"},
    {"another id", AFTER, "MessageId", "99999999-2222-5333-8444-555555555555", ERR_DENIED, "the signature is not"},
    {"another time", AFTER, "Timestamp", "2026-11-21T02:00:04.000Z", ERR_DENIED, "the signature is not"},
    {"another subject", AFTER, "Subject", "x", ERR_DENIED, "the signature is not"},
    {"another signature", AFTER, "Signature", "AAAA", ERR_DENIED, "the signature is not"},
    {"another version", AFTER, "SignatureVersion", "1", ERR_DENIED, "the signature is not"},
    /* Topics. */
    {"another account's topic", BEFORE, "TopicArn", OTHER_TOPIC, ERR_DENIED,
     "a Notification of a topic that is not one of `topics`: " OTHER_TOPIC},
    {"another region's topic", BEFORE, "TopicArn", "arn:aws:sns:us-east-1:123456789012:failover", ERR_DENIED,
     "not one of `topics`"},
    {"a longer topic", BEFORE, "TopicArn", TOPIC "2", ERR_DENIED, "not one of `topics`"},
    {"a topic in capitals", BEFORE, "TopicArn", "ARN:aws:sns:eu-west-1:123456789012:failover", ERR_DENIED,
     "a Notification of a topic that is not one of `topics`"},
    {"an empty topic", BEFORE, "TopicArn", "", ERR_DENIED, "not one of `topics`"},
    /* The certificate's URL, which nobody signs. */
    {"a bucket named sns", AFTER, "SigningCertURL", "https://sns.s3-us-west-2.amazonaws.com/" NAME, ERR_DENIED,
     "SigningCertURL is not https://" HOST "/"},
    {"another region's host", AFTER, "SigningCertURL", "https://sns.us-east-1.amazonaws.com/" NAME, ERR_DENIED,
     "SigningCertURL is not"},
    {"a host behind it", AFTER, "SigningCertURL", "https://" HOST ".evil.example/" NAME, ERR_DENIED,
     "SigningCertURL is not"},
    {"user information", AFTER, "SigningCertURL", "https://" HOST "@evil.example/" NAME, ERR_DENIED,
     "SigningCertURL is not"},
    {"a port", AFTER, "SigningCertURL", "https://" HOST ":8443/" NAME, ERR_DENIED, "SigningCertURL is not"},
    {"a query", AFTER, "SigningCertURL", "https://" HOST "/" NAME "?x=.pem", ERR_DENIED, "SigningCertURL is not"},
    {"a fragment", AFTER, "SigningCertURL", "https://" HOST "/x#" NAME, ERR_DENIED, "SigningCertURL is not"},
    {"another path", AFTER, "SigningCertURL", "https://" HOST "/a/../" NAME, ERR_DENIED, "SigningCertURL is not"},
    {"a path out of the folder", AFTER, "SigningCertURL",
     "https://" HOST "/SimpleNotificationService-../../../../etc/pass.pem", ERR_DENIED, "SigningCertURL is not"},
    {"a name in capitals", AFTER, "SigningCertURL",
     "https://" HOST "/SimpleNotificationService-0123456789ABCDEF0123456789ABCDEF.pem", ERR_DENIED,
     "SigningCertURL is not"},
    {"a short name", AFTER, "SigningCertURL", "https://" HOST "/SimpleNotificationService-0.pem", ERR_DENIED,
     "SigningCertURL is not"},
    {"no TLS", AFTER, "SigningCertURL", "http://" HOST "/" NAME, ERR_DENIED, "SigningCertURL is not"},
    {"an empty URL", AFTER, "SigningCertURL", "", ERR_DENIED, "SigningCertURL is not"},
    /* Versions. */
    {"version 3", AFTER, "SignatureVersion", "3", ERR_DENIED, "SignatureVersion is neither 1 nor 2"},
    {"an empty version", AFTER, "SignatureVersion", "", ERR_DENIED, "SignatureVersion is neither 1 nor 2"},
    {"version 02", AFTER, "SignatureVersion", "02", ERR_DENIED, "SignatureVersion is neither 1 nor 2"},
    /* Time. */
    {"a replay", BEFORE, "Timestamp", "2026-11-21T00:59:59.000Z", ERR_DENIED,
     "a replay: its Timestamp is more than an hour ago"},
    {"from the future", BEFORE, "Timestamp", "2026-11-21T02:06:00.000Z", ERR_DENIED,
     "its Timestamp is more than 5 minutes ahead of this clock"},
    {"another form of time", BEFORE, "Timestamp", "2026-11-21T02:00:05Z", ERR_INVALID,
     "Timestamp is not of the form YYYY-MM-DDThh:mm:ss.mmmZ"},
    {"an offset", BEFORE, "Timestamp", "2026-11-21T02:00:05.123+00:00", ERR_INVALID, "Timestamp is not of the form"},
    {"no such day", BEFORE, "Timestamp", "2026-02-30T02:00:05.123Z", ERR_INVALID, "Timestamp is not of the form"},
    /* Types and fields. */
    {"another type", BEFORE, "Type", "notification", ERR_INVALID,
     "Type is none of Notification, SubscriptionConfirmation and UnsubscribeConfirmation"},
    {"no type", AFTER, "Type", NULL, ERR_INVALID, "the envelope has no Type"},
    {"no topic", AFTER, "TopicArn", NULL, ERR_INVALID, "the envelope has no TopicArn"},
    {"no message", AFTER, "Message", NULL, ERR_INVALID, "the envelope has no Message"},
    {"no id", AFTER, "MessageId", NULL, ERR_INVALID, "the envelope has no MessageId"},
    {"no time", AFTER, "Timestamp", NULL, ERR_INVALID, "the envelope has no Timestamp"},
    {"no signature", AFTER, "Signature", NULL, ERR_INVALID, "the envelope has no Signature"},
    {"no version", AFTER, "SignatureVersion", NULL, ERR_INVALID, "the envelope has no SignatureVersion"},
    {"no URL", AFTER, "SigningCertURL", NULL, ERR_INVALID, "the envelope has no SigningCertURL"},
    {"the spelling of Lambda", AFTER, "SigningCertUrl", "https://" HOST "/" NAME, ERR_INVALID,
     "the field \"SigningCertUrl\" of the envelope is none of SNS's"},
    {"a foreign field", AFTER, "note", "x", ERR_INVALID, "the field \"note\" of the envelope is none of SNS's"},
    {"a foreign field with a line break", AFTER, "a\nb", "x", ERR_INVALID, "a field of the envelope is none of SNS's"},
    {"a sequence number", AFTER, "SequenceNumber", "1", ERR_INVALID, "the field \"SequenceNumber\" of the envelope"},
    {"a token in a notification", BEFORE, "Token", TOKEN, ERR_INVALID, "Token does not belong into a Notification"},
    {"a URL to subscribe in a notification", BEFORE, "SubscribeURL", "https://evil.example/", ERR_INVALID,
     "SubscribeURL does not belong into a Notification"},
    {"an id that is no UUID", BEFORE, "MessageId", "fake", ERR_INVALID, "MessageId is no UUID"},
    {"a signature in another alphabet", AFTER, "Signature", "____", ERR_INVALID, "Signature is not base64"},
    {"a signature with a line break", AFTER, "Signature", "AAAA\nAAAA", ERR_INVALID,
     "Signature holds a control character"},
    {"an empty signature", AFTER, "Signature", "", ERR_DENIED, "the signature is not"},
    /* Control characters: they are what one text is cut into other fields with. */
    {"a line break in the subject", BEFORE, "Subject", "a\nb", ERR_INVALID, "Subject holds a control character"},
    {"a DEL in the subject", BEFORE, "Subject", "a\x7f", ERR_INVALID, "Subject holds a control character"},
    {"a C1 in the subject", BEFORE, "Subject", "a\xc2\x85", ERR_INVALID, "Subject holds a control character"},
    {"a line break in the topic", BEFORE, "TopicArn", TOPIC "\n", ERR_INVALID, "TopicArn holds a control character"},
    {"a line break in the type", BEFORE, "Type", "Notification\n", ERR_INVALID, "Type holds a control character"},
    {"a line break in the URL", AFTER, "SigningCertURL", "https://" HOST "/" NAME "\n", ERR_INVALID,
     "SigningCertURL holds a control character"},
};

static void forgeries_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    rig_usual(&rig);
    for (size_t i = 0; i < COUNT_OF(forgeries); i++) {
        const struct forgery *forgery = &forgeries[i];
        json_t *envelope = notification(MESSAGE);
        if (forgery->when == AFTER)
            (void)sign(envelope);
        if (forgery->value)
            json_object_set_new(envelope, forgery->key, json_string(forgery->value));
        else
            json_object_del(envelope, forgery->key);
        if (forgery->when == BEFORE)
            (void)sign(envelope);
        parse(&rig, envelope, &seen);
        if (seen.err != forgery->err || !strstr(seen.why.text, forgery->why))
            fail_msg("%s: expected %s (%s), got %s (%s)", forgery->about, err_name(forgery->err), forgery->why,
                     err_name(seen.err), seen.why.text);
        expect_refused(&seen, forgery->err, forgery->why);
    }
    rig_done(&rig);
}

static void forged_confirmations_are_refused(void **state)
{
    (void)state;
    static const struct forgery cases[] = {
        {"another topic", BEFORE, "TopicArn", OTHER_TOPIC, ERR_DENIED,
         "a SubscriptionConfirmation of a topic that is not one of `topics`: " OTHER_TOPIC},
        {"another URL", AFTER, "SubscribeURL", "https://evil.example/", ERR_DENIED, "the signature is not"},
        {"another token", AFTER, "Token", "00", ERR_DENIED, "the signature is not"},
        {"a type that was not signed", AFTER, "Type", "UnsubscribeConfirmation", ERR_DENIED, "the signature is not"},
        {"a subject", BEFORE, "Subject", "s", ERR_INVALID, "Subject does not belong into a SubscriptionConfirmation"},
        {"a URL to unsubscribe", AFTER, "UnsubscribeURL", "https://x/", ERR_INVALID,
         "UnsubscribeURL does not belong into a SubscriptionConfirmation"},
        {"no token", AFTER, "Token", NULL, ERR_INVALID, "the envelope has no Token"},
        {"no URL", AFTER, "SubscribeURL", NULL, ERR_INVALID, "the envelope has no SubscribeURL"},
        {"an empty token", BEFORE, "Token", "", ERR_INVALID, "Token is not made of up to 1024 hex digits"},
        {"a token that goes on", BEFORE, "Token", "00&Action=Unsubscribe", ERR_INVALID, "Token is not made of"},
        {"a replay", BEFORE, "Timestamp", "2026-11-20T02:00:05.123Z", ERR_DENIED, "a replay"},
        {"a notification's type", AFTER, "Type", "Notification", ERR_INVALID, "does not belong into a Notification"},
    };
    struct rig rig;
    struct seen seen;
    rig_usual(&rig);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *envelope = confirmation("SubscriptionConfirmation");
        if (cases[i].when == AFTER)
            (void)sign(envelope);
        if (cases[i].value)
            json_object_set_new(envelope, cases[i].key, json_string(cases[i].value));
        else
            json_object_del(envelope, cases[i].key);
        if (cases[i].when == BEFORE)
            (void)sign(envelope);
        parse(&rig, envelope, &seen);
        expect_refused(&seen, cases[i].err, cases[i].why);
        assert_null(strstr(seen.why.text, TOKEN));
    }
    rig_done(&rig);
}

/* Bodies that no JSON library would write. */
static void bodies_that_are_not_json_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    rig_usual(&rig);
    json_t *envelope = sign(notification(MESSAGE));
    char *good = json_dumps(envelope, JSON_COMPACT);
    json_decref(envelope);
    static const struct {
        const char *start; /* in place of the "{" */
        const char *why;
    } cases[] = {
        {"{\"Message\":\"EVIL\",", "the same key twice in one object"},
        {"{\"Type\":\"SubscriptionConfirmation\",", "the same key twice in one object"},
        {"{\"Subject\":\"\\u0000\",", "NUL"},
        {"{\"Subject\":null,", "Subject must be a string, not null"},
        {"{\"Subject\":1,", "Subject must be a string, not a number"},
        {"{\"MessageAttributes\":[],", "MessageAttributes must be an object, not an array"},
        {"{\"MessageAttributes\":{\"a\":1,\"a\":2},", "the same key twice in one object"},
        {"[{", "the body must be a JSON object as SNS sends it, not an array"},
        {"{\"Subject\":\"\xff\",", "UTF-8"},
        {"{\"Subject\":\"\\ud800\",", "surrogate"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *body = NULL;
        assert_true(asprintf(&body, "%s%s", cases[i].start, good + 1) > 0);
        parse_text(&rig, body, &seen);
        expect_refused(&seen, ERR_INVALID, cases[i].why);
        free(body);
    }
    char *body = NULL;
    assert_true(asprintf(&body, "%s{}", good) > 0);
    parse_text(&rig, body, &seen);
    expect_refused(&seen, ERR_INVALID, "something follows the end of the text");
    body[strlen(good) - 1] = '\0';
    parse_text(&rig, body, &seen);
    expect_refused(&seen, ERR_INVALID, "the text ends too early");
    parse_text(&rig, "", &seen);
    expect_refused(&seen, ERR_INVALID, "the text ends too early");
    parse_text(&rig, MESSAGE, &seen); /* as a raw delivery has it */
    expect_refused(&seen, ERR_INVALID, "the field \"AlarmName\" of the envelope is none of SNS's");
    parse_text(&rig, "{}", &seen);
    expect_refused(&seen, ERR_INVALID, "a message delivered raw is taken with `raw: true` only");
    free(body);
    free(good);
    rig_done(&rig);
}

/* An attacker publishes on a topic of his own, or writes into a message of ours: SNS signs what he wrote, and the same
 * bytes are cut into other fields. Each forged envelope has exactly the signed text of the genuine one. */
static void one_text_is_not_cut_in_two_ways(void **state)
{
    (void)state;
    static const struct {
        const char *topic, *message; /* genuine */
        const char *fields[5][2];    /* forged */
        const char *why;
    } cases[] = {
        /* The rest in Type. */
        {OTHER_TOPIC,
         "EVIL\nMessageId\n" UUID "\nTimestamp\n" TIME "\nTopicArn\n" TOPIC "\nType\nNotification",
         {{"Message", "EVIL"},
          {"Type",
           "Notification\nMessageId\n" UUID "\nTimestamp\n" TIME "\nTopicArn\n" OTHER_TOPIC "\nType\nNotification"}},
         "Type holds a control character"},
        /* The rest in Subject. */
        {TOPIC,
         "EVIL\nMessageId\n" UUID "\nSubject\nx",
         {{"Message", "EVIL"}, {"Subject", "x\nMessageId\n" UUID}},
         "Subject holds a control character"},
        /* The rest in MessageId. */
        {TOPIC,
         "EVIL\nMessageId\nx",
         {{"Message", "EVIL"}, {"MessageId", "x\nMessageId\n" UUID}},
         "MessageId holds a control character"},
        /* The rest in TopicArn. */
        {OTHER_TOPIC,
         "EVIL\nMessageId\n" UUID "\nTimestamp\n" TIME "\nTopicArn\n" TOPIC,
         {{"Message", "EVIL"},
          {"TopicArn", TOPIC "\nMessageId\n" UUID "\nTimestamp\n" TIME "\nTopicArn\n" OTHER_TOPIC}},
         "TopicArn holds a control character"},
        /* A field that a notification has not, for those who sign whatever is there. */
        {TOPIC,
         "EVIL\nMessageId\n" UUID "\nSubscribeURL\nhttps://evil.example/",
         {{"Message", "EVIL"}, {"SubscribeURL", "https://evil.example/\nMessageId\n" UUID}},
         "SubscribeURL holds a control character"},
    };
    struct rig rig;
    struct seen seen;
    rig_usual(&rig);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *genuine = notification(cases[i].message), *forged = notification(MESSAGE);
        json_object_set_new(genuine, "TopicArn", json_string(cases[i].topic));
        for (size_t k = 0; k < 5 && cases[i].fields[k][0]; k++)
            json_object_set_new(forged, cases[i].fields[k][0], json_string(cases[i].fields[k][1]));
        char *text = signed_text(genuine), *same = signed_text(forged);
        assert_string_equal(text, same);
        sign_text(forged, text, false);
        parse(&rig, forged, &seen);
        expect_refused(&seen, ERR_INVALID, cases[i].why);
        free(text);
        free(same);
        json_decref(genuine);
    }
    rig_done(&rig);
}

static void headers_say_nothing(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    rig_usual(&rig);
    /* They say that this is a notification, delivered raw. */
    expect_ok(&rig, sign(confirmation("UnsubscribeConfirmation")), &seen);
    assert_string_equal(seen.notice_kind, "unsubscribed");
    parse_text(&rig, "words", &seen);
    expect_refused(&seen, ERR_INVALID, "byte 0");
    /* And that it is of a topic of ours. */
    json_t *envelope = notification(MESSAGE);
    json_object_set_new(envelope, "TopicArn", json_string(OTHER_TOPIC));
    parse(&rig, sign(envelope), &seen);
    expect_refused(&seen, ERR_DENIED, "not one of `topics`");
    rig_done(&rig);
}

static void the_age_is_counted_to_the_millisecond(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    rig_usual(&rig);
    json_t *envelope = sign(notification(MESSAGE));
    char *body = json_dumps(envelope, 0);
    const int64_t sent = ms(TIME);
    assert_int_equal(parse_at(&rig, body, strlen(body), sent + 3600000, false, &seen), ERR_OK);
    assert_int_equal(parse_at(&rig, body, strlen(body), sent + 3600001, false, &seen), ERR_DENIED);
    assert_int_equal(parse_at(&rig, body, strlen(body), sent - 300000, false, &seen), ERR_OK);
    assert_int_equal(parse_at(&rig, body, strlen(body), sent - 300001, false, &seen), ERR_DENIED);
    assert_int_equal(parse_at(&rig, body, strlen(body), sent + 36000000, true, &seen), ERR_OK); /* stored */
    free(body);
    json_decref(envelope);
    rig_done(&rig);
}

static void version_2_can_be_required(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    rig_usual(&rig);
    rig_done(&rig);
    rig_start(&rig, json_pack("{s:[s], s:s}", "topics", TOPIC, "require_signature_version", "2"), "usual");
    expect_ok(&rig, sign(notification(MESSAGE)), &seen);
    json_t *envelope = notification(MESSAGE);
    json_object_set_new(envelope, "SignatureVersion", json_string("1"));
    parse(&rig, sign(envelope), &seen);
    expect_refused(&seen, ERR_DENIED, "SignatureVersion is 1, and the source takes 2 only");
    /* SHA-1 under the label 2, and the other way round. */
    envelope = notification(MESSAGE);
    sign_with(envelope, true);
    parse(&rig, envelope, &seen);
    expect_refused(&seen, ERR_DENIED, "the signature is not SNS's over this message");
    rig_done(&rig);
}

/* ---- confirmations ----------------------------------------------------------------------------------------------- */

static void a_subscription_is_confirmed_by_our_own_url(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    rig_usual(&rig);
    json_t *envelope = confirmation("SubscriptionConfirmation");
    json_object_set_new(envelope, "SubscribeURL", json_string("http://169.254.169.254/latest/meta-data/"));
    expect_ok(&rig, sign(envelope), &seen); /* it is signed, and it is not asked */
    assert_int_equal(seen.need.kind, HANDLER_NEEDS_CONFIRMATION);
    assert_string_equal(seen.need.url, "https://" HOST "/?Action=ConfirmSubscription&TopicArn="
                                       "arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Afailover&Token=" TOKEN);
    assert_string_equal(seen.need.what, "the confirmation of " TOPIC);
    assert_string_equal(seen.notice_kind, "subscription");
    assert_string_equal(seen.notice, "subscribed to " TOPIC);
    assert_false(seen.is_loud);
    assert_int_equal(seen.n, 0);
    assert_string_equal(seen.stored,
                        "{\"Type\":\"SubscriptionConfirmation\",\"MessageId\":\"" UUID "\",\"TopicArn\":\"" TOPIC
                        "\",\"Message\":\"You have chosen something.\\nVisit the URL.\",\"Timestamp\":\"" TIME "\"}");
    /* The longest token still fits. */
    char token[1025];
    memset(token, 'a', sizeof token - 1);
    token[sizeof token - 1] = '\0';
    envelope = confirmation("SubscriptionConfirmation");
    json_object_set_new(envelope, "Token", json_string(token));
    expect_ok(&rig, sign(envelope), &seen);
    assert_int_equal(strlen(strstr(seen.need.url, "&Token=")), 7 + 1024);
    rig_done(&rig);
}

static void an_unsubscription_is_loud_and_never_confirmed(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    rig_usual(&rig);
    expect_ok(&rig, sign(confirmation("UnsubscribeConfirmation")), &seen);
    assert_int_equal(seen.need.kind, HANDLER_NEEDS_NOTHING);
    assert_string_equal(seen.notice_kind, "unsubscribed");
    assert_non_null(strstr(seen.notice, "unsubscribed from " TOPIC ": nothing comes from it any more"));
    assert_true(seen.is_loud);
    assert_null(strstr(seen.stored, TOKEN));
    rig_done(&rig);
}

/* ---- raw --------------------------------------------------------------------------------------------------------- */

static void raw_only_where_something_else_proves_it(void **state)
{
    (void)state;
    struct rig rig;
    struct seen seen;
    struct errmsg why = {""};
    struct basic_credential basic = {.user = source_name};
    json_t *args = json_pack("{s:[s], s:b}", "topics", TOPIC, "raw", 1);
    assert_int_equal(rig_open(&rig, args, "usual", &why), ERR_INVALID);
    assert_string_equal(why.text, "a raw delivery bears no signature: `raw: true` needs \"basic\" or \"path_token\"");
    rig.source.basic = &basic;
    rig.source.n_basic = 1;
    assert_int_equal(rig.source.handler->open(&rig.source, &why), ERR_OK);
    assert_false(rig.source.handler->is_signed(&rig.source));

    assert_int_equal(parse_text(&rig, MESSAGE, &seen), ERR_OK);
    assert_int_equal(seen.n, 1);
    assert_string_equal(seen.identity, "arn:aws:cloudwatch:x");
    assert_int_equal(seen.asserted_at, TIME_UNKNOWN);
    assert_string_equal(seen.stored, ""); /* as it came */
    assert_int_equal(parse_text(&rig, "any words", &seen), ERR_OK);
    assert_int_equal(seen.n, 0);
    parse_at(&rig, "a\0b", 3, NOW, false, &seen);
    expect_refused(&seen, ERR_INVALID, "the message is no text in UTF-8");
    parse_text(&rig, "\xff", &seen);
    expect_refused(&seen, ERR_INVALID, "the message is no text in UTF-8");

    /* What has an envelope's fields is one, and must be signed: its confirmations always come so. */
    expect_ok(&rig, sign(confirmation("SubscriptionConfirmation")), &seen);
    assert_int_equal(seen.need.kind, HANDLER_NEEDS_CONFIRMATION);
    json_t *envelope = sign(notification(MESSAGE));
    json_object_set_new(envelope, "Message", json_string("{}"));
    parse(&rig, envelope, &seen);
    expect_refused(&seen, ERR_DENIED, "the signature is not");
    parse_text(&rig, "{\"Type\":\"Notification\",\"MessageId\":\"" UUID "\",\"TopicArn\":\"" TOPIC "\"}", &seen);
    expect_refused(&seen, ERR_INVALID, "the envelope has no Message");
    rig.source.handler->close(&rig.source);
    json_decref(args);

    args = json_pack("{s:[s,s], s:b}", "topics", TOPIC, OTHER_TOPIC, "raw", 1);
    rig.source.args = args;
    json_object_set_new(args, "certificates", json_string("x"));
    json_object_set_new(args, "require_signature_version", json_string("1"));
    assert_int_equal(rig.source.handler->open(&rig.source, &why), ERR_INVALID);
    assert_string_equal(why.text,
                        "a raw delivery does not say its topic: with `raw: true` a source has one of the `topics`");
    json_decref(args);
}

/* ---- the configuration ------------------------------------------------------------------------------------------- */

static void check_config(const char *source, const char *error, const char *certificates, enum trust trust)
{
    char yaml[1024];
    snprintf(yaml, sizeof yaml,
             "sources: {aws: %s}\n"
             "services: {x: {sites: {a: {ip: 192.0.2.1}, b: {ip: 192.0.2.2}}, trigger: {mode: manual},\n"
             "  playbook: [{action: http.check, url: 'http://x/'}]}}\n",
             source);
    struct strbuf errors = STRBUF_INIT, doubts = STRBUF_INIT;
    struct config *config = NULL;
    enum err err = config_load_bytes("/etc/turnout/turnout.yaml", yaml, strlen(yaml), false, &config, &errors, &doubts);
    assert_int_equal(err, error ? ERR_INVALID : ERR_OK);
    if (error ? !strstr(strbuf_text(&errors), error) : errors.len > 0)
        fail_msg("%s: %s", source, strbuf_text(&errors));
    if (!error) {
        assert_string_equal(json_string_value(json_object_get(config->sources[0].args, "certificates")), certificates);
        assert_int_equal(config->sources[0].trust, trust);
    }
    config_free(config);
    strbuf_done(&errors);
    strbuf_done(&doubts);
}

static void configurations(void **state)
{
    (void)state;
    check_config("{kind: sns, topics: 'arn:aws:sns:eu-west-1:123456789012:a'}", NULL, "/etc/turnout/sns-certificates",
                 TRUST_SIGNED);
    check_config("{kind: sns, topics: ['arn:aws-cn:sns:cn-north-1:123456789012:a'], certificates: certs, "
                 "basic: {user: u, password: pppppppppppppppp}}",
                 NULL, "/etc/turnout/certs", TRUST_SIGNED);
    check_config("{kind: sns, topics: 'arn:aws:sns:eu-west-1:123456789012:a', raw: true, certificates: /c, "
                 "basic: {user: u, password: pppppppppppppppp}}",
                 NULL, "/c", TRUST_SECRET);
    check_config("{kind: sns, topics: 'arn:aws:sns:eu-west-1:123456789012:a', raw: true, certificates: /c, "
                 "path_token: pppppppppppppppp}",
                 NULL, "/c", TRUST_OPEN);
    check_config("{kind: sns, topics: 'arn:aws:sns:eu-west-1:123456789012:a', certificates: /c, message: {identity: "
                 "'', state: /state/0, down: bad, up: [good, ok]}}",
                 NULL, "/c", TRUST_SIGNED);
    static const struct {
        const char *source, *error;
    } cases[] = {
        {"{kind: sns}", "\"topics\" is missing"},
        {"{kind: sns, topics: 'arn:aws:sns:eu-west-1:123456789012:a', raw: true}", "has no credential"},
        {"{kind: sns, topics: 'arn:aws:sns:eu-west-1:123456789012:a', raw: true, bearer: pppppppppppppppp}",
         "a raw delivery bears no signature"},
        {"{kind: sns, topics: 'arn:aws:sqs:eu-west-1:123456789012:a'}", "it is not arn:aws:sns:REGION:ACCOUNT:NAME"},
        {"{kind: sns, topics: 'arn:aws:sns:eu-west-1:123456789012:a:b'}", "it is not arn:aws:sns:"},
        {"{kind: sns, topics: 'arn:aws:sns:eu-west-1:123456789012:'}", "it is not arn:aws:sns:"},
        {"{kind: sns, topics: 'a'}", "topic \"a\": it is not arn:aws:sns:"},
        {"{kind: sns, topics: 'arn:aws:sns:s3-us-west-2:123456789012:a'}", "its region is none"},
        {"{kind: sns, topics: 'arn:aws:sns:eu-west:123456789012:a'}", "its region is none"},
        {"{kind: sns, topics: 'arn:aws:sns:cn-north-1:123456789012:a'}", "its region is in the partition aws-cn"},
        {"{kind: sns, topics: 'arn:aws-iso:sns:us-iso-east-1:123456789012:a'}", "its region is in the partition aws"},
        {"{kind: sns, topics: 'arn:aws:sns:eu-west-1:12345678901:a'}", "its account has not 12 digits"},
        {"{kind: sns, topics: 'arn:aws:sns:eu-west-1:12345678901x:a'}", "its account has not 12 digits"},
        {"{kind: sns, topics: 'arn:aws:sns:eu-west-1:123456789012:a.fifo'}", "a FIFO topic does not deliver over HTTP"},
        {"{kind: sns, topics: 'arn:aws:sns:eu-west-1:123456789012:a b'}", "the name of a topic has letters"},
        {"{kind: sns, topics: 'arn:aws:sns:eu-west-1:123456789012:a', require_signature_version: 3}",
         "\"require_signature_version\" cannot be"},
        {"{kind: sns, topics: 'arn:aws:sns:eu-west-1:123456789012:a', message: {state: state, up: a, down: b}}",
         "`state` of `message` is no JSON pointer"},
        {"{kind: sns, topics: 'arn:aws:sns:eu-west-1:123456789012:a', message: {state: /s, up: a}}",
         "\"down\" is missing"},
        {"{kind: sns, topics: 'arn:aws:sns:eu-west-1:123456789012:a', url: 'http://sns.example.com'}",
         "`url` must be https://, or be on this host"},
        {"{kind: sns, topics: 'arn:aws:sns:eu-west-1:123456789012:a', url: 'https://sns.example.com/?a=b'}",
         "`url` must end before the query"},
        {"{kind: sns, topics: 'arn:aws:sns:eu-west-1:123456789012:a', url: 'http://127.example.com:80/'}",
         "`url` must be https://"},
        {"{kind: sns, topics: 'arn:aws:sns:eu-west-1:123456789012:a', url: 'http://[2001:db8::1]/'}",
         "`url` must be https://"},
        {"{kind: sns, topics: 'arn:aws:sns:eu-west-1:123456789012:a', url: 'HTTP://localhost.example.com'}",
         "`url` must be https://"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_config(cases[i].source, cases[i].error, NULL, TRUST_OPEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_signed_text_is_that_of_the_guide),
        cmocka_unit_test(genuine_notifications),
        cmocka_unit_test(what_is_kept_says_the_same),
        cmocka_unit_test(forgeries_are_refused),
        cmocka_unit_test(forged_confirmations_are_refused),
        cmocka_unit_test(bodies_that_are_not_json_are_refused),
        cmocka_unit_test(one_text_is_not_cut_in_two_ways),
        cmocka_unit_test(headers_say_nothing),
        cmocka_unit_test(the_age_is_counted_to_the_millisecond),
        cmocka_unit_test(version_2_can_be_required),
        cmocka_unit_test(a_subscription_is_confirmed_by_our_own_url),
        cmocka_unit_test(an_unsubscription_is_loud_and_never_confirmed),
        cmocka_unit_test(raw_only_where_something_else_proves_it),
        cmocka_unit_test(configurations),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
