/* Grafana's alerting (since Grafana 8.3): the webhook contact point.
 *
 * The format: alerting/…/webhook-notifier of Grafana's documentation. It is Alertmanager's body with `version` "1" and
 * more fields (orgId, title, state, message; values, silenceURL, … of each alert), of which none is needed; see
 * alertmanager_body.h for what is read. Since Grafana 12 it can be signed: HMAC-SHA256 in hex digits over the body, or
 * over "TIMESTAMP:BODY" when a header for the time is set too; the names of both headers are Grafana's settings.
 * When Grafana cannot evaluate a rule it sends another alert, "DatasourceNoData" or "DatasourceError", with other
 * labels and another fingerprint: no rule for the alert itself matches it. Do not take it for one. */
#include "handlers/alertmanager_body.h"
#include "handlers/signature.h"
#include "handlers/source.h"

static enum err grafana_parse(const struct handler_request *request, struct handler_result *result, struct errmsg *why)
{
    static const struct alertmanager_dialect dialect = {
        .sender = "Grafana",
        .foreign_field = "ruleId",
        .foreign_text = "the body is that of Grafana's legacy alerting, which has `ruleId` and `state` in place of "
                        "`alerts`; use a contact point of Grafana Alerting (Grafana 9 or later)",
    };
    const struct source *source = request->source;
    const struct signature_rule rule = {
        .secrets = source_secrets(source, "hmac_secret"),
        .header = json_string_value(json_object_get(source->args, "signature_header")),
        .prefix = "",
        .encoding = SIGNATURE_HEX,
        .timestamp_header = json_string_value(json_object_get(source->args, "timestamp_header")),
        .tolerance_ms = json_integer_value(json_object_get(source->args, "tolerance")),
    };
    enum err err = rule.secrets->n > 0 ? signature_verify(&rule, request, why) : ERR_OK;
    if (err != ERR_OK)
        return err;
    return alertmanager_body_parse(&dialect, request, result, why);
}

static bool grafana_is_signed(const struct source *source)
{
    return source_secrets(source, "hmac_secret")->n > 0;
}

static enum err grafana_open(struct source *source, struct errmsg *why)
{
    if (!grafana_is_signed(source) && json_object_get(source->args, "timestamp_header"))
        return err_set(why, ERR_INVALID, "\"timestamp_header\" needs \"hmac_secret\": only signed times are looked at");
    return ERR_OK;
}

static const struct row rows[] = {
    {.name = "hmac_secret",
     .type = ROW_SECRETS,
     .help =
         "secret of the contact point's HMAC signature; with it every delivery must be signed (Grafana 12 or later)"},
    {.name = "signature_header",
     .type = ROW_STRING,
     .default_text = "X-Grafana-Alerting-Signature",
     .min = 1,
     .max = 128,
     .help = "header that holds the signature"},
    {.name = "timestamp_header",
     .type = ROW_STRING,
     .min = 1,
     .max = 128,
     .help = "header that holds the time of signing, when the contact point names one; it is part of what is signed"},
    {.name = "tolerance",
     .type = ROW_DURATION,
     .default_text = "5m",
     .min = 1000,
     .max = 24 * 3600 * 1000,
     .help = "how far that time may be from ours"},
    {.name = NULL},
};

extern const struct handler handler_grafana;
const struct handler handler_grafana = {
    .kind = "grafana",
    .help = "Grafana's alerting: a contact point of the kind webhook",
    .rows = rows,
    .labels_help = "the labels of the alert",
    .identifying = "alertname",
    .repeats = true,
    .methods = "POST, PUT",
    .media = HANDLER_JSON,
    .open = grafana_open,
    .is_signed = grafana_is_signed,
    .parse = grafana_parse,
};
