/* The registry: one line per handler. A test compares it with the folder. */
#define HANDLER_LIST(X) X(alertmanager) X(generic) X(grafana) X(pingdom) X(sns) X(uptimerobot)
