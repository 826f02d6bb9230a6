#include "host-agent/storage/ovf.h"

#include <inttypes.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

#include "base/mem.h"

/* Resource types of CIM_ResourceAllocationSettingData. */
#define RESOURCE_CPU    3
#define RESOURCE_MEMORY 4
#define RESOURCE_SCSI   6
#define RESOURCE_NIC    10
#define RESOURCE_DISK   17

#define MAX_CPU       1024u
#define MAX_MEMORY_MB (16ull << 20)

#define FORMAT_STREAM \
	"http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"

struct found {
	struct ovf *ovf;
	unsigned machines, disks;
	char file_ref[OVF_HREF_MAX + 1];
	bool has_ref;
};

/* ---- reading ---- */

static bool
is(const xmlNode *n, const char *name)
{
	return n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, name) == 0;
}

static const xmlNode *
child_of(const xmlNode *n, const char *name)
{
	for (const xmlNode *c = n ? n->children : NULL; c; c = c->next)
		if (is(c, name))
			return c;
	return NULL;
}

/* The attribute's text, whatever its name space's prefix; NULL.  Simple text only. */
static const char *
attribute(const xmlNode *n, const char *name)
{
	for (const xmlAttr *a = n->properties; a; a = a->next) {
		if (strcmp((const char *)a->name, name) != 0)
			continue;
		if (!a->children || a->children->next ||
		    a->children->type != XML_TEXT_NODE)
			return NULL;
		return (const char *)a->children->content;
	}
	return NULL;
}

/* The text of the child element, without spaces around; "" if there is none. */
static void
copy_text(const xmlNode *parent, const char *name, char *out, size_t size)
{
	const xmlNode *n = child_of(parent, name);
	const xmlNode *t = n ? n->children : NULL;
	const char *s =
	    t && t->type == XML_TEXT_NODE && !t->next ? (const char *)t->content : "";
	size_t len;

	s += strspn(s, " \t\r\n");
	len = strlen(s);
	while (len && strchr(" \t\r\n", s[len - 1]))
		len--;
	if (len >= size)
		len = size - 1;
	/* Not in the middle of a character. */
	while (len && !utf8_valid(s, len))
		len--;
	memcpy(out, s, len);
	out[len] = '\0';
}

static int
number_of(const xmlNode *parent, const char *name, uint64_t *ret_v, struct err *e)
{
	char text[32];

	copy_text(parent, name, text, sizeof(text));
	return parse_u64(text, 0, INT64_MAX, name, ret_v, e);
}

/* "byte * 2^20": 20; also "MegaBytes" and "MB" of older appliances. */
static int
unit_shift(const char *unit, unsigned preset, unsigned *ret_shift, struct err *e)
{
	static const struct {
		const char *text;
		unsigned shift;
	} units[] = {
		{ "byte", 0 },
		{ "byte * 2^10", 10 },
		{ "byte * 2^20", 20 },
		{ "byte * 2^30", 30 },
		{ "byte * 2^40", 40 },
		{ "KiloBytes", 10 },
		{ "KB", 10 },
		{ "MegaBytes", 20 },
		{ "MB", 20 },
		{ "GigaBytes", 30 },
		{ "GB", 30 },
	};

	if (!unit || !*unit) {
		*ret_shift = preset;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (!str_same(units[i].text, unit))
			continue;
		*ret_shift = units[i].shift;
		return 0;
	}
	return err_set(e, ERR_UNSUPPORTED, "the unit \"%.40s\" is not known", unit);
}

static int
read_disk(struct found *f, const xmlNode *n, struct err *e)
{
	const char *ref = attribute(n, "fileRef"), *size = attribute(n, "capacity");
	uint64_t v = 0;
	unsigned shift = 0;
	int rc = 0;

	if (attribute(n, "parentRef"))
		return err_set(
		    e, ERR_UNSUPPORTED, "its disk stands on another one (parentRef)");
	if (f->disks++)
		return 0;
	if (ref && strlen(ref) <= OVF_HREF_MAX) {
		memcpy(f->file_ref, ref, strlen(ref) + 1);
		f->has_ref = true;
	}
	if (size)
		rc = parse_u64(size, 0, INT64_MAX, "the disk's capacity", &v, e);
	if (!rc)
		rc = unit_shift(attribute(n, "capacityAllocationUnits"), 0, &shift, e);
	if (!rc && v > (uint64_t)INT64_MAX >> shift)
		rc = err_set(e, ERR_INVALID, "the disk's capacity is absurd");
	f->ovf->disk_bytes = v << shift;
	return rc;
}

static int
read_disks(struct found *f, const xmlNode *section, struct err *e)
{
	int rc = 0;

	for (const xmlNode *n = section ? section->children : NULL; n && !rc;
	     n = n->next)
		if (is(n, "Disk"))
			rc = read_disk(f, n, e);
	if (rc)
		return rc;
	if (f->disks != 1)
		return err_set(e, ERR_UNSUPPORTED,
		    "the appliance has %u disks: a template has one", f->disks);
	if (!f->has_ref)
		return err_set(e, ERR_INVALID, "the appliance's disk has no file");
	return 0;
}

static int
read_file(struct found *f, const xmlNode *references, struct err *e)
{
	const char *id, *href, *packed;

	for (const xmlNode *n = references ? references->children : NULL; n;
	     n = n->next) {
		if (!is(n, "File"))
			continue;
		id = attribute(n, "id");
		href = attribute(n, "href");
		packed = attribute(n, "compression");
		if (!id || !href || !str_same(id, f->file_ref))
			continue;
		if ((packed && *packed && !str_same(packed, "identity")) ||
		    attribute(n, "chunkSize"))
			return err_set(e, ERR_UNSUPPORTED,
			    "the disk's file is compressed or in pieces");
		if (!*href || strlen(href) > OVF_HREF_MAX)
			return err_set(
			    e, ERR_INVALID, "the disk's file has no fit name");
		memcpy(f->ovf->disk_file, href, strlen(href) + 1);
		return 0;
	}
	return err_set(e, ERR_INVALID,
	    "the disk is in file \"%.60s\", which the description does not know",
	    f->file_ref);
}

static int
read_memory(struct ovf *o, const xmlNode *item, uint64_t quantity, struct err *e)
{
	char unit[40];
	unsigned shift = 20;
	int rc;

	copy_text(item, "AllocationUnits", unit, sizeof(unit));
	rc = unit_shift(unit, 20, &shift, e);
	if (rc)
		return rc;
	if (quantity > (MAX_MEMORY_MB << 20) >> shift)
		return err_set(e, ERR_INVALID, "its memory is absurd");
	o->memory_mb = (quantity << shift) >> 20;
	return 0;
}

static int
read_item(struct ovf *o, const xmlNode *item, struct err *e)
{
	uint64_t type = 0, quantity = 0;
	int rc = number_of(item, "ResourceType", &type, e);

	if (rc)
		return rc;
	if (type == RESOURCE_NIC)
		o->num_nics++;
	if (type != RESOURCE_CPU && type != RESOURCE_MEMORY)
		return 0;
	rc = number_of(item, "VirtualQuantity", &quantity, e);
	if (rc)
		return rc;
	if (type == RESOURCE_MEMORY)
		return read_memory(o, item, quantity, e);
	if (quantity > MAX_CPU)
		return err_set(e, ERR_INVALID, "it wants %" PRIu64 " CPUs", quantity);
	o->num_cpu = (uint32_t)quantity;
	return 0;
}

static int
read_machine(struct found *f, const xmlNode *system, struct err *e)
{
	const xmlNode *hardware = child_of(system, "VirtualHardwareSection");
	const xmlNode *note = child_of(system, "AnnotationSection");
	const char *id = attribute(system, "id");
	struct ovf *o = f->ovf;
	int rc = 0;

	copy_text(system, "Name", o->name, sizeof(o->name));
	if (!*o->name && id && strlen(id) < sizeof(o->name))
		memcpy(o->name, id, strlen(id) + 1);
	if (note)
		copy_text(note, "Annotation", o->description, sizeof(o->description));
	for (const xmlNode *n = hardware ? hardware->children : NULL; n && !rc;
	     n = n->next)
		if (is(n, "Item"))
			rc = read_item(o, n, e);
	return rc;
}

static int
read_envelope(struct found *f, const xmlNode *root, struct err *e)
{
	const xmlNode *system = NULL;
	int rc;

	if (!root || !is(root, "Envelope"))
		return err_set(e, ERR_INVALID, "it is no OVF description");
	if (child_of(root, "VirtualSystemCollection"))
		return err_set(e, ERR_UNSUPPORTED,
		    "the appliance is a collection of machines: one is wanted");
	for (const xmlNode *n = root->children; n; n = n->next) {
		if (!is(n, "VirtualSystem"))
			continue;
		system = n;
		f->machines++;
	}
	if (f->machines != 1)
		return err_set(e, ERR_UNSUPPORTED,
		    "the appliance has %u machines: one is wanted", f->machines);
	rc = read_disks(f, child_of(root, "DiskSection"), e);
	if (!rc)
		rc = read_file(f, child_of(root, "References"), e);
	return rc ? rc : read_machine(f, system, e);
}

int
ovf_parse(const char *text, size_t n, struct ovf *ret_o, struct err *e)
{
	struct ovf o = { .name = "" };
	struct found f = { .ovf = &o };
	xmlParserCtxtPtr parser;
	xmlDocPtr doc;
	int rc;

	if (n > OVF_BYTES_MAX)
		return err_set(e, ERR_TOO_LARGE,
		    "the description has %zu bytes, more than %u", n, OVF_BYTES_MAX);
	parser = xmlNewParserCtxt();
	if (!parser)
		return err_set(e, ERR_INTERNAL, "no XML parser");
	doc = xmlCtxtReadMemory(parser, text, (int)n, NULL, NULL,
	    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
		XML_PARSE_NOBLANKS | XML_PARSE_NOCDATA);
	if (!doc)
		rc = err_set(e, ERR_INVALID, "the description is no XML");
	else if (doc->intSubset || doc->extSubset)
		rc = err_set(e, ERR_INVALID,
		    "the description has a document type, which is refused");
	else
		rc = read_envelope(&f, xmlDocGetRootElement(doc), e);
	xmlFreeDoc(doc);
	xmlFreeParserCtxt(parser);
	if (!rc)
		*ret_o = o;
	return rc;
}

/* ---- writing ---- */

static void
add_escaped(struct str *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '&')
			str_add(out, "&amp;");
		else if (*s == '<')
			str_add(out, "&lt;");
		else if (*s == '>')
			str_add(out, "&gt;");
		else if (*s == '"')
			str_add(out, "&quot;");
		else if ((unsigned char)*s >= 0x20 || strchr("\t\n\r", *s))
			str_addc(out, *s);
	}
}

static void
add_item(
    struct str *out, unsigned id, unsigned type, const char *name, const char *more)
{
	str_addf(out,
	    "      <Item>\n"
	    "        <rasd:ElementName>%s</rasd:ElementName>\n"
	    "        <rasd:InstanceID>%u</rasd:InstanceID>\n"
	    "        <rasd:ResourceType>%u</rasd:ResourceType>\n"
	    "%s      </Item>\n",
	    name, id, type, more);
}

static void
add_hardware(struct str *out, const struct ovf *o)
{
	AUTO_FREE char *cpu = xasprintf(
	    "        <rasd:VirtualQuantity>%u</rasd:VirtualQuantity>\n", o->num_cpu);
	AUTO_FREE char *memory = xasprintf(
	    "        <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>\n"
	    "        <rasd:VirtualQuantity>%" PRIu64 "</rasd:VirtualQuantity>\n",
	    o->memory_mb);
	unsigned id = 1;

	add_item(out, id++, RESOURCE_CPU, "CPU", cpu);
	add_item(out, id++, RESOURCE_MEMORY, "Memory", memory);
	add_item(out, id++, RESOURCE_SCSI, "SCSI controller",
	    "        <rasd:ResourceSubType>VirtualSCSI</rasd:ResourceSubType>\n");
	add_item(out, id++, RESOURCE_DISK, "Disk",
	    "        <rasd:AddressOnParent>0</rasd:AddressOnParent>\n"
	    "        <rasd:HostResource>ovf:/disk/disk-0</rasd:HostResource>\n"
	    "        <rasd:Parent>3</rasd:Parent>\n");
	for (uint32_t i = 0; i < o->num_nics; i++)
		add_item(out, id++, RESOURCE_NIC, "Network adapter",
		    "        <rasd:Connection>network</rasd:Connection>\n");
}

static void
add_disk(struct str *out, const struct ovf *o, uint64_t file_bytes)
{
	str_add(out, "  <References>\n    <File ovf:id=\"file-0\" ovf:href=\"");
	add_escaped(out, o->disk_file);
	str_addf(out,
	    "\" ovf:size=\"%" PRIu64 "\"/>\n  </References>\n"
	    "  <DiskSection>\n    <Info>Disks</Info>\n"
	    "    <Disk ovf:diskId=\"disk-0\" ovf:fileRef=\"file-0\" "
	    "ovf:capacity=\"%" PRIu64
	    "\" ovf:capacityAllocationUnits=\"byte\" ovf:format=\"" FORMAT_STREAM
	    "\"/>\n  </DiskSection>\n",
	    file_bytes, o->disk_bytes);
	if (o->num_nics)
		str_add(out,
		    "  <NetworkSection>\n    <Info>Networks</Info>\n"
		    "    <Network ovf:name=\"network\"/>\n  </NetworkSection>\n");
}

void
ovf_write(const struct ovf *o, uint64_t file_bytes, struct str *out)
{
	str_add(out,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<Envelope xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\"\n"
	    "    xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\"\n"
	    "    xmlns:rasd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
	    "CIM_ResourceAllocationSettingData\">\n");
	add_disk(out, o, file_bytes);
	str_add(out, "  <VirtualSystem ovf:id=\"");
	add_escaped(out, o->name);
	str_add(out, "\">\n    <Info>A virtual machine</Info>\n    <Name>");
	add_escaped(out, o->name);
	str_add(out, "</Name>\n");
	if (*o->description) {
		str_add(out, "    <AnnotationSection>\n      <Info>Notes</Info>\n"
			     "      <Annotation>");
		add_escaped(out, o->description);
		str_add(out, "</Annotation>\n    </AnnotationSection>\n");
	}
	str_add(out, "    <VirtualHardwareSection>\n      <Info>Hardware</Info>\n");
	add_hardware(out, o);
	str_add(
	    out, "    </VirtualHardwareSection>\n  </VirtualSystem>\n</Envelope>\n");
}
