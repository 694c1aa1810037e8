/* cluster_session.h: a connection to the cluster port, on the server's side. Inside cluster/. */
#pragma once
#include "cluster/cluster_run.h"

struct conn;

struct cluster_session {
    struct cluster_session *next, *prev; /* in cluster->sessions, under its lock */
    struct conn *conn;
    bool stranger; /* it has shown no certificate: it may join, nothing else */
    bool linked;   /* link was made */
    struct cluster_link link;
    struct cluster_hold *hold;   /* it brings copies of messages; NULL */
    struct cluster_asked *asked; /* it brings questions; NULL */
};
