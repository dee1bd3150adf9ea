"""What the providers hold at the start: names to move at each (app, api, cdn), one for drills (drill-app), some that hold the old
site's address and that nobody moves (forgotten, the zone itself), and neighbours that catch a careless client.

A seed file has the same shape. A provider left out of it is taken from here, and so is a key left out of a provider.
"""

HEALTH_CHECK = "abcdef11-2222-3333-4444-555555fedcba"


def default_seed():
    return {"linode": linode_seed(), "ovh": ovh_seed(), "route53": route53_seed()}


def merged(given):
    """The default seed with what a file gives; raises ValueError for what it cannot mean."""
    seed = default_seed()
    if not isinstance(given, dict) or set(given) - set(seed):
        raise ValueError("a seed is an object with any of the keys " + ", ".join(seed))
    for name, part in given.items():
        if not isinstance(part, dict) or set(part) - set(seed[name]):
            raise ValueError("%s is an object with any of the keys %s" % (name, ", ".join(seed[name])))
        seed[name].update(part)
    return seed


def linode_seed():
    # `app` comes last, so that it is not on the first page of a list without filter
    records = [{"type": "A", "name": "host-%03d" % number, "target": "203.0.113.%d" % number, "ttl_sec": 300} for number in range(1, 111)]
    records += [
        {"id": 36666855, "type": "MX", "name": "", "target": "mail.example.com", "priority": 10, "ttl_sec": 0},
        {"id": 36666856, "type": "A", "name": "", "target": "203.0.113.200", "ttl_sec": 0},
        {"id": 36666857, "type": "TXT", "name": "app", "target": "192.0.2.10 is not an address here", "ttl_sec": 300},
        {"id": 36666858, "type": "A", "name": "app2", "target": "203.0.113.2", "ttl_sec": 300},
        {"id": 36666859, "type": "A", "name": "my_app", "target": "203.0.113.3", "ttl_sec": 300},
        {"id": 36666860, "type": "A", "name": "app.staging", "target": "203.0.113.4", "ttl_sec": 300},
        {"id": 36666861, "type": "A", "name": "pair", "target": "192.0.2.11", "ttl_sec": 30},
        {"id": 36666862, "type": "A", "name": "pair", "target": "192.0.2.12", "ttl_sec": 30},
        {"id": 36666863, "type": "CNAME", "name": "www", "target": "app.example.com", "ttl_sec": 300},
        {"id": 36666880, "type": "A", "name": "api", "target": "192.0.2.10", "ttl_sec": 30},
        {"id": 36666881, "type": "A", "name": "cdn", "target": "192.0.2.10", "ttl_sec": 30},
        {"id": 36666882, "type": "A", "name": "drill-app", "target": "192.0.2.10", "ttl_sec": 30},
        {"id": 36666883, "type": "AAAA", "name": "forgotten", "target": "2001:db8::10", "ttl_sec": 300},
        {"id": 36666884, "type": "A", "name": "forgotten", "target": "192.0.2.10", "ttl_sec": 300},
        {"id": 36666865, "type": "A", "name": "app", "target": "192.0.2.10", "ttl_sec": 30},
    ]
    return {
        "tokens": ["sandbox-linode-token"],
        "domains": [
            {"id": 123, "domain": "example.com", "records": records},
            {"id": 124, "domain": "fresh.example", "rendered": False,
             "records": [{"id": 36666870, "type": "A", "name": "app", "target": "192.0.2.10", "ttl_sec": 30}]},
            {"id": 125, "domain": "dark.example", "status": "disabled",
             "records": [{"id": 36666871, "type": "A", "name": "app", "target": "192.0.2.10", "ttl_sec": 30}]},
            {"id": 126, "domain": "mirror.example", "type": "slave",
             "records": [{"id": 36666872, "type": "A", "name": "app", "target": "192.0.2.10", "ttl_sec": 30}]},
        ],
    }


def ovh_seed():
    return {
        "credentials": [
            {"application_key": "sandbox-ak", "application_secret": "sandbox-as", "consumer_key": "sandbox-ck"},
            {"application_key": "sandbox-ak", "application_secret": "sandbox-as", "consumer_key": "sandbox-ck-expired", "status": "expired"},
            {"application_key": "sandbox-ak", "application_secret": "sandbox-as", "consumer_key": "sandbox-ck-pending",
             "status": "pendingValidation"},
            {"application_key": "sandbox-ak", "application_secret": "sandbox-as", "consumer_key": "sandbox-ck-no-refresh",
             "rules": [{"method": "GET", "path": "/*"}, {"method": "PUT", "path": "/domain/zone/*/record/*"}]},
        ],
        "zones": [{"name": "example.net", "records": [
            {"id": 5001234550, "subDomain": "", "fieldType": "NS", "target": "dns18.ovh.net.", "ttl": 0},
            {"id": 5001234551, "subDomain": "", "fieldType": "NS", "target": "ns18.ovh.net.", "ttl": 0},
            {"id": 5001234552, "subDomain": "", "fieldType": "MX", "target": "1 mx1.mail.ovh.net.", "ttl": 0},
            {"id": 5001234560, "subDomain": "app", "fieldType": "TXT", "target": "192.0.2.10", "ttl": 60},
            {"id": 5001234561, "subDomain": "APP", "fieldType": "AAAA", "target": "2001:db8::99", "ttl": 60},
            {"id": 5001234562, "subDomain": "app2", "fieldType": "A", "target": "203.0.113.2", "ttl": 60},
            {"id": 5001234563, "subDomain": "my_app", "fieldType": "A", "target": "203.0.113.3", "ttl": 60},
            {"id": 5001234564, "subDomain": "my-app", "fieldType": "A", "target": "203.0.113.4", "ttl": 60},
            {"id": 5001234567, "subDomain": "app", "fieldType": "A", "target": "192.0.2.10", "ttl": 60},
            {"id": 5001234570, "subDomain": "pair", "fieldType": "A", "target": "192.0.2.11", "ttl": 60},
            {"id": 5001234571, "subDomain": "pair", "fieldType": "A", "target": "192.0.2.12", "ttl": 60},
            {"id": 5001234572, "subDomain": "www", "fieldType": "CNAME", "target": "app", "ttl": 0},
            {"id": 5001234580, "subDomain": "api", "fieldType": "A", "target": "192.0.2.10", "ttl": 60},
            {"id": 5001234581, "subDomain": "cdn", "fieldType": "A", "target": "192.0.2.10", "ttl": 60},
            {"id": 5001234582, "subDomain": "drill-app", "fieldType": "A", "target": "192.0.2.10", "ttl": 60},
            {"id": 5001234583, "subDomain": "forgotten", "fieldType": "AAAA", "target": "2001:db8::10", "ttl": 60},
            {"id": 5001234584, "subDomain": "", "fieldType": "A", "target": "192.0.2.10", "ttl": 0},
        ]}],
    }


def route53_seed():
    servers = ["ns-2048.awsdns-64.com.", "ns-2049.awsdns-65.net.", "ns-2050.awsdns-66.org.", "ns-2051.awsdns-67.co.uk."]
    frame = [{"name": "example.org.", "type": "NS", "ttl": 172800, "values": servers},
             {"name": "example.org.", "type": "SOA", "ttl": 900,
              "values": ["ns-2048.awsdns-64.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"]}]
    return {
        "credentials": [
            {"access_key_id": "AKIASANDBOX0000000000", "secret_access_key": "sandbox-aws-secret"},
            {"access_key_id": "ASIASANDBOX0000000000", "secret_access_key": "sandbox-aws-secret", "session_token": "sandbox/session+token=="},
            {"access_key_id": "ASIASANDBOXEXPIRED000", "secret_access_key": "sandbox-aws-secret", "session_token": "sandbox-old-token",
             "expired": True},
        ],
        "health_checks": [HEALTH_CHECK],
        "zones": [
            {"id": "Z1PA6795UKMFR9", "name": "example.org.", "records": frame + [
                {"name": "\\052.example.org.", "type": "A", "ttl": 60, "values": ["203.0.113.1"]},
                {"name": "aaa.example.org.", "type": "A", "ttl": 60, "values": ["203.0.113.5"]},
                {"name": "api.example.org.", "type": "A", "ttl": 60, "values": ["192.0.2.10"]},
                {"name": "app-2.example.org.", "type": "A", "ttl": 60, "values": ["203.0.113.6"]},
                {"name": "app.example.org.", "type": "A", "ttl": 60, "values": ["192.0.2.10"]},
                {"name": "app.example.org.", "type": "TXT", "ttl": 60, "values": ['"192.0.2.10"']},
                {"name": "app2.example.org.", "type": "A", "ttl": 60, "values": ["203.0.113.2"]},
                {"name": "app.example.org.", "type": "AAAA", "ttl": 60, "values": ["2001:db8::99"]},
                {"name": "cdn.example.org.", "type": "A", "ttl": 60, "values": ["192.0.2.10"]},
                {"name": "checked.example.org.", "type": "A", "ttl": 60, "values": ["192.0.2.10"], "HealthCheckId": HEALTH_CHECK},
                {"name": "drill-app.example.org.", "type": "A", "ttl": 60, "values": ["192.0.2.10"]},
                {"name": "example.org.", "type": "A", "ttl": 300, "values": ["192.0.2.10"]},
                {"name": "forgotten.example.org.", "type": "AAAA", "ttl": 60, "values": ["2001:db8::10"]},
                {"name": "guarded.example.org.", "type": "A", "SetIdentifier": "only", "MultiValueAnswer": "true", "ttl": 60,
                 "values": ["192.0.2.10"], "HealthCheckId": HEALTH_CHECK},
                {"name": "pair.example.org.", "type": "A", "ttl": 60, "values": ["192.0.2.11", "192.0.2.12"]},
                {"name": "weighted.example.org.", "type": "A", "SetIdentifier": "linode", "Weight": 0, "ttl": 60, "values": ["192.0.2.10"]},
                {"name": "weighted.example.org.", "type": "A", "SetIdentifier": "ovh", "Weight": 100, "ttl": 60, "values": ["198.51.100.20"]},
                {"name": "www.example.org.", "type": "A",
                 "AliasTarget": {"HostedZoneId": "Z1PA6795UKMFR9", "DNSName": "app.example.org.", "EvaluateTargetHealth": "false"}},
                {"name": "zzz.example.org.", "type": "A", "ttl": 60, "values": ["203.0.113.7"]},
            ]},
            {"id": "Z0PRIVATE00000000001", "name": "example.org.", "private": True, "records": frame + [
                {"name": "app.example.org.", "type": "A", "ttl": 60, "values": ["10.0.0.10"]}]},
        ],
    }
