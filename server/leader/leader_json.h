/*
 * leader_json: who leads, as the API tells it.
 */
#pragma once
#include "base/json.h"

struct leader;

json *leader_json(const struct leader *ld);
