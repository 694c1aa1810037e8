#include "store/store_engine.h"
const struct store_engine store_postgres = {.name = "postgres"};
