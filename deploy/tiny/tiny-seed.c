/*
 * tiny-seed: print who this guest is, from a NoCloud seed.
 *
 * Reads meta-data and network-config below the folder where the volume CIDATA is
 * mounted and prints name, address, gateway and dns as tiny-identity does, fit to be
 * evaluated by a shell.  Of YAML it knows what Drover writes: one "key: value" or "-
 * value" a line, values maybe in double quotes; of the network the first card.
 *
 *     tiny-seed FOLDER
 */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MAX_LINE 1024
#define MAX_DNS  256

/* Whose list the lines "- value" are in. */
enum list { LIST_NONE, LIST_ADDRESSES, LIST_DNS };

struct net {
	enum list list;
	bool in_nameservers;
	int cards;
	char address[MAX_LINE], gateway[MAX_LINE], dns[MAX_DNS];
};

/* One line, taken apart in place: key "" if there is none, value "" likewise. */
struct words {
	bool is_item;
	const char *key, *value;
};

static bool
is_plain(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && strchr("._:/,-", *p) == NULL)
			return false;
	return *text != '\0';
}

static void
print_setting(const char *key, const char *value)
{
	if (is_plain(value))
		printf("%s=%s\n", key, value);
}

static char *
unquote(char *text)
{
	size_t len = strlen(text);
	if (len < 2 || text[0] != '"' || text[len - 1] != '"')
		return text;
	text[len - 1] = '\0';
	return text + 1;
}

static struct words
split(char *line)
{
	struct words w = { false, "", "" };
	line[strcspn(line, "\r\n")] = '\0';
	line += strspn(line, " ");
	if (strncmp(line, "- ", 2) == 0) {
		w.is_item = true;
		line += 2 + strspn(line + 2, " ");
	}
	size_t key_len = strcspn(line, ":\" ");
	bool has_key = line[key_len] == ':' &&
		       (line[key_len + 1] == ' ' || line[key_len + 1] == '\0');
	if (!has_key) {
		w.value = unquote(line);
		return w;
	}
	line[key_len] = '\0';
	w.key = line;
	line += key_len + 1;
	w.value = unquote(line + strspn(line, " "));
	return w;
}

static void
take_item(struct net *net, const char *value)
{
	size_t len = strlen(net->dns);
	if (net->list == LIST_ADDRESSES && net->address[0] == '\0')
		snprintf(net->address, sizeof(net->address), "%s", value);
	if (net->list == LIST_DNS && len + strlen(value) + 2 <= sizeof(net->dns))
		snprintf(net->dns + len, sizeof(net->dns) - len, "%s%s",
		    len > 0 ? "," : "", value);
}

static void
take_key(struct net *net, const struct words *w)
{
	net->list = LIST_NONE;
	if (strcmp(w->key, "match") == 0) {
		net->cards++;
		net->in_nameservers = false;
	} else if (strcmp(w->key, "nameservers") == 0) {
		net->in_nameservers = true;
	} else if (strcmp(w->key, "routes") == 0) {
		net->in_nameservers = false;
	} else if (strcmp(w->key, "addresses") == 0) {
		net->list = net->in_nameservers ? LIST_DNS : LIST_ADDRESSES;
	} else if (strcmp(w->key, "via") == 0 && net->gateway[0] == '\0') {
		snprintf(net->gateway, sizeof(net->gateway), "%s", w->value);
	}
}

static FILE *
open_in(const char *folder, const char *name)
{
	char path[MAX_LINE];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		fprintf(
		    stderr, "tiny-seed: cannot open %s: %s\n", path, strerror(errno));
	return file;
}

static void
read_network(const char *folder)
{
	struct net net = { .list = LIST_NONE };
	char line[MAX_LINE];
	FILE *file = open_in(folder, "network-config");
	while (file != NULL && net.cards <= 1 && fgets(line, sizeof(line), file)) {
		struct words w = split(line);
		if (*w.key != '\0')
			take_key(&net, &w);
		else if (w.is_item)
			take_item(&net, w.value);
	}
	if (file != NULL)
		fclose(file);
	print_setting("address", net.address);
	print_setting("gateway", net.gateway);
	print_setting("dns", net.dns);
}

static void
read_name(const char *folder)
{
	char line[MAX_LINE];
	FILE *file = open_in(folder, "meta-data");
	while (file != NULL && fgets(line, sizeof(line), file)) {
		struct words w = split(line);
		if (strcmp(w.key, "local-hostname") == 0)
			print_setting("name", w.value);
	}
	if (file != NULL)
		fclose(file);
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: tiny-seed FOLDER\n");
		return 2;
	}
	read_name(argv[1]);
	read_network(argv[1]);
	return 0;
}
