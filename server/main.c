/* `turnout`: one binary, a row for each subcommand. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "cli.h"
#include "fetch.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

struct subcommand {
    const char *name, *arguments, *help;
    int min_words, max_words;
    int (*run)(const struct options *options);
};

static const struct subcommand SUBCOMMANDS[] = {
    {"serve", "-c FILE", "run the daemon", 0, 0, command_serve},
    {"check", "-c FILE", "read a configuration and say all that is wrong with it", 0, 0, command_check},
    {"doctor", "-c FILE", "all that would stop a failover tonight; exit 0: nothing was found", 0, 0, command_doctor},
    {"try", "-c FILE SOURCE [BODY] [--query Q]", "what a delivery would be taken for; BODY: a file, or - for stdin", 1,
     2, command_try},
    {"simulate", "FILE [-c FILE]",
     "play a scenario through the decision, without effects; exit 1: an EXPECT does not hold", 1, 1, command_simulate},
    {"replay", "INCIDENT --config FILE", "decide about an incident again; exit 3: the configuration decides otherwise",
     1, 1, command_replay},
    {"status", "[SERVICE]", "what waits for a person; the services: active site, votes, timers, run", 0, 1,
     command_status},
    {"why", "INCIDENT|SERVICE", "why something was done about an incident, and why not", 1, 1, command_why},
    {"export", "SERVICE [--to-dir DIR]", "a script and a runbook that move it by hand, for the day the daemon is down",
     1, 1, command_export},
    {"report", "INCIDENT|RUN", "what happened, how long each part took, and what was slow, as Markdown", 1, 1,
     command_report},
    {"incidents", "[SERVICE] [--open]", "the incidents, newest first", 0, 1, command_incidents},
    {"shadow", "report [--since 30d]", "what shadow mode would have done, and whether it was right", 1, 1,
     command_shadow},
    {"plan", "SERVICE [--to SITE] [--planned]", "what a run would find and change if it began now", 1, 1, command_plan},
    {"failover", "SERVICE [--to SITE] [--planned] --reason TEXT", "start a failover", 1, 1, command_failover},
    {"failback", "SERVICE --reason TEXT", "start the way back home", 1, 1, command_failback},
    {"approve", "UUID --reason TEXT", "say yes to a run that waits", 1, 1, command_approve},
    {"reject", "UUID --reason TEXT", "say no to a run that waits", 1, 1, command_reject},
    {"pause", "SERVICE --reason TEXT", "let nothing start by itself", 1, 1, command_pause},
    {"resume", "SERVICE --reason TEXT", "end a pause", 1, 1, command_resume},
    {"vote", "SERVICE --site SITE --says down|up|nothing --reason TEXT", "say what you know of a site, or take it back",
     1, 1, command_vote},
    {"adopt", "SERVICE --to SITE --reason TEXT", "say which site is active", 1, 1, command_adopt},
    {"runs", "[UUID]", "the runs, newest first, or one with its steps", 0, 1, command_runs},
    {"deliveries", "[UUID] [--unmatched]", "what the monitors sent, newest first, or one with its body", 0, 1,
     command_deliveries},
    {"drill", "SERVICE [--kind canary|plan] --reason TEXT", "rehearse a failover, there and back", 1, 1, command_drill},
    {"retry", "UUID [--step N] --reason TEXT", "try what waits or is owed again", 1, 1, command_retry},
    {"skip", "UUID [--step N] --reason TEXT", "go on without it", 1, 1, command_skip},
    {"done", "UUID [--step N] --reason TEXT", "say that it is done", 1, 1, command_done},
    {"undo", "UUID --reason TEXT", "put back what a run has changed", 1, 1, command_undo},
    {"cancel", "UUID --reason TEXT", "end a run", 1, 1, command_cancel},
    {"audit", "tail|export|verify [--database FILE]", "the audit log, of a daemon or of a database file", 1, 1,
     command_audit},
    {"actions", "[NAME]", "what each action takes", 0, 1, command_actions},
    {"sources", "[KIND]", "what each kind of source takes", 0, 1, command_sources},
    {"health", "", "whether a daemon is ready: exit 0 or 1, no token needed", 0, 0, command_health},
};

static void usage(FILE *out)
{
    fprintf(out, "Usage: turnout COMMAND\n\n");
    for (size_t i = 0; i < COUNT_OF(SUBCOMMANDS); i++) {
        char call[96];
        int len = snprintf(call, sizeof call, "%s %s", SUBCOMMANDS[i].name, SUBCOMMANDS[i].arguments);
        if (len > 46)
            fprintf(out, "  %s\n  %-46s %s\n", call, "", SUBCOMMANDS[i].help);
        else
            fprintf(out, "  %-46s %s\n", call, SUBCOMMANDS[i].help);
    }
    fprintf(
        out,
        "\n"
        "  -c, --config FILE     the configuration\n"
        "      --url URL         the daemon's API (default $TURNOUT_URL, else http://127.0.0.1:8080)\n"
        "      --ca FILE         authorities of the API's certificate, in PEM (default $TURNOUT_CA, else the "
        "system's)\n"
        "      --cert FILE       the certificate to show it, in PEM (default $TURNOUT_CERT)\n"
        "      --key FILE        its key (default $TURNOUT_KEY)\n"
        "      --token TOKEN     an operator's token (default $TURNOUT_TOKEN; better there: others see arguments)\n"
        "      --to SITE         the site to move to; of adopt: the site where it is\n"
        "      --reason TEXT     why; it stands in the audit log\n"
        "      --planned         of failover: a switchover while both sites work\n"
        "      --override GUARD  of failover, failback, approve, retry: go past target_down, preflight, debt or rpo\n"
        "      --standalone      of failover, failback: by this process alone (-c FILE), when no daemon can;\n"
        "      --from SITE       the site that is left, where there are more than two,\n"
        "      --yes             and nothing is asked\n"
        "      --plan HASH       of failover, failback, approve: only if it does exactly what that plan said\n"
        "      --replace         of failover, failback: a run in progress is cancelled first\n"
        "      --site SITE       of vote: the site of which you say something,\n"
        "      --says WORD       and what: down, up, or nothing (takes it back)\n"
        "      --step N          of retry, skip, done: that step alone, with the number that runs UUID shows\n"
        "      --kind KIND       of drill: canary or plan\n"
        "      --to-dir DIR      of export: the folder to write to (default: where you are)\n"
        "      --open            of incidents: only those that are not over\n"
        "      --database FILE   a database file, read without a daemon\n"
        "      --query QUERY     of try: the query string, as the monitor appends it to the URL\n"
        "      --unmatched       of deliveries: only those that no rule matched\n"
        "      --json            print for programs\n"
        "      --version\n\n"
        "Exit: 0 done, 1 failed, 2 usage, 3 refused by a guard; of try: 3 when no rule matches; of replay: 3 when\n"
        "it is decided otherwise.\n");
}

static const struct option LONG_OPTIONS[] = {
    {"config", required_argument, NULL, 'c'},
    {"database", required_argument, NULL, 'd'},
    {"url", required_argument, NULL, 'u'},
    {"token", required_argument, NULL, 't'},
    {"to", required_argument, NULL, 'o'},
    {"reason", required_argument, NULL, 'r'},
    {"query", required_argument, NULL, 'q'},
    {"ca", required_argument, NULL, 'a'},
    {"cert", required_argument, NULL, 'e'},
    {"key", required_argument, NULL, 'k'},
    {"site", required_argument, NULL, 's'},
    {"says", required_argument, NULL, 'y'},
    {"step", required_argument, NULL, 'm'},
    {"kind", required_argument, NULL, 'g'},
    {"since", required_argument, NULL, 'b'},
    {"plan", required_argument, NULL, 'P'},
    {"override", required_argument, NULL, 'i'},
    {"planned", no_argument, NULL, 'p'},
    {"replace", no_argument, NULL, 'l'},
    {"standalone", no_argument, NULL, 'x'},
    {"yes", no_argument, NULL, 'z'},
    {"from", required_argument, NULL, 'f'},
    {"to-dir", required_argument, NULL, 'D'},
    {"open", no_argument, NULL, 'w'},
    {"unmatched", no_argument, NULL, 'n'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},
    {NULL, 0, NULL, 0},
};

/* Where the text of an option goes; NULL: it has none. */
static const char **text_slot(struct options *options, int letter)
{
    switch (letter) {
    case 'c':
        return &options->config;
    case 'd':
        return &options->database;
    case 'u':
        return &options->url;
    case 't':
        return &options->token;
    case 'o':
        return &options->to;
    case 'f':
        return &options->from;
    case 'r':
        return &options->reason;
    case 'q':
        return &options->query;
    case 'a':
        return &options->ca;
    case 'e':
        return &options->certificate;
    case 'k':
        return &options->key;
    case 's':
        return &options->site;
    case 'y':
        return &options->says;
    case 'b':
        return &options->since;
    case 'm':
        return &options->step;
    case 'g':
        return &options->kind;
    case 'P':
        return &options->plan;
    case 'D':
        return &options->to_dir;
    case 'i':
        return options->n_overrides < MAX_OVERRIDES ? &options->overrides[options->n_overrides++] : NULL;
    default:
        return NULL;
    }
}

/* Where an option without a text is noted; NULL: it is none of these. */
static bool *flag_slot(struct options *options, int letter)
{
    switch (letter) {
    case 'n':
        return &options->is_unmatched;
    case 'j':
        return &options->is_json;
    case 'p':
        return &options->is_planned;
    case 'l':
        return &options->is_replacing;
    case 'w':
        return &options->is_open;
    case 'x':
        return &options->is_standalone;
    case 'z':
        return &options->is_yes;
    default:
        return NULL;
    }
}

/* Returns -1 to go on, or the exit code. */
static int parse(int argc, char **argv, struct options *options)
{
    int letter;
    while ((letter = getopt_long(argc, argv, "c:h", LONG_OPTIONS, NULL)) != -1) {
        const char **slot = text_slot(options, letter);
        bool *flag = flag_slot(options, letter);
        if (slot)
            *slot = optarg;
        if (flag)
            *flag = true;
        if (slot || flag)
            continue;
        switch (letter) {
        case 'h':
            usage(stdout);
            return EXIT_DONE;
        case 'v':
            printf("turnout %s\n", TURNOUT_VERSION);
            return EXIT_DONE;
        default:
            fprintf(stderr, "turnout: see turnout --help\n");
            return EXIT_USAGE;
        }
    }
    for (int i = optind; i < argc; i++) {
        if (options->n_words == MAX_WORDS) {
            fprintf(stderr, "turnout: too many arguments\n");
            return EXIT_USAGE;
        }
        options->words[options->n_words++] = argv[i];
    }
    return -1;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    int code = parse(argc, argv, &options);
    if (code >= 0)
        return code;
    if (options.n_words == 0) {
        usage(stderr);
        return EXIT_USAGE;
    }
    const char *name = options.words[0];
    for (size_t i = 0; i < COUNT_OF(SUBCOMMANDS); i++) {
        const struct subcommand *subcommand = &SUBCOMMANDS[i];
        if (strcmp(subcommand->name, name) != 0)
            continue;
        options.n_words--;
        memmove(options.words, options.words + 1, sizeof options.words - sizeof options.words[0]);
        if (options.n_words < subcommand->min_words || options.n_words > subcommand->max_words) {
            fprintf(stderr, "Usage: turnout %s %s\n", name, subcommand->arguments);
            return EXIT_USAGE;
        }
        clock_start();
        fetch_start();
        return subcommand->run(&options);
    }
    fprintf(stderr, "turnout: there is no command %s; see turnout --help\n", name);
    return EXIT_USAGE;
}
