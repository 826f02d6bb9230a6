/*
 * openapi: the API as an OpenAPI 3.0 document, from route.def, the ops' arguments and
 * the field tables.
 */
#pragma once
#include "base/json.h"

json *openapi_document(void); /* the caller's */
