/* The registries: one line per action, and one per kind of provider. A test compares them with the folder. */
#define ACTION_LIST(X)                                                                                                 \
    X(command)                                                                                                         \
    X(dns_check)                                                                                                       \
    X(http_check)                                                                                                      \
    X(linode_dns_record)                                                                                               \
    X(ovh_dns_record)                                                                                                  \
    X(postgres_promote)                                                                                                \
    X(route53_record)                                                                                                  \
    X(tcp_check)

#define PROVIDER_KIND_LIST(X)                                                                                          \
    X(linode)                                                                                                          \
    X(ovh)                                                                                                             \
    X(aws)                                                                                                             \
    X(postgres)
