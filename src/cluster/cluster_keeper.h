/* cluster_keeper.h: the thread that knows from the documents who the others are, and how this
 * server is. Inside cluster/. */
#pragma once
#include "cluster/cluster_run.h"

MUST_USE enum st cluster_keeper_start(struct cluster *cluster);
void cluster_keeper_stop(struct cluster *cluster); /* ends the threads of the peers too */
