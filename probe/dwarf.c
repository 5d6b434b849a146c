#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe/dwarf.h"

#define MANGLED "cant_access_tsd_items_directly_use_a_getter_or_setter_"

static bool has_name(Dwarf_Die *die, const char *wanted)
{
	const char *name = dwarf_diename(die);

	return name != NULL && strcmp(name, wanted) == 0;
}

static bool member_offset(Dwarf_Die *member, uint64_t *offset)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	if (dwarf_formudata(dwarf_attr(member, DW_AT_data_member_location, &attribute), &value) != 0)
		return false;
	*offset = value;
	return true;
}

static bool both_members(Dwarf_Die *structure, struct offsets *offsets)
{
	bool allocated = false, deallocated = false;
	Dwarf_Die member;

	if (dwarf_child(structure, &member) != 0)
		return false;
	do {
		if (has_name(&member, MANGLED "thread_allocated"))
			allocated = member_offset(&member, &offsets->allocated);
		else if (has_name(&member, MANGLED "thread_deallocated"))
			deallocated = member_offset(&member, &offsets->deallocated);
	} while (dwarf_siblingof(&member, &member) == 0);
	return allocated && deallocated;
}

/* A structure at the top level of a unit, as C has them. */
static bool find_in_unit(Dwarf_Die *unit, struct offsets *offsets)
{
	Dwarf_Die die;

	if (dwarf_child(unit, &die) != 0)
		return false;
	do {
		if (dwarf_tag(&die) == DW_TAG_structure_type && has_name(&die, "tsd_s") &&
		    both_members(&die, offsets))
			return true;
	} while (dwarf_siblingof(&die, &die) == 0);
	return false;
}

static bool find_in_units(Dwarf *dwarf, struct offsets *offsets)
{
	Dwarf_CU *unit = NULL;
	Dwarf_Die die;

	while (dwarf_get_units(dwarf, unit, &unit, NULL, NULL, &die, NULL) == 0)
		if (find_in_unit(&die, offsets))
			return true;
	return false;
}

static bool find_in_module(Dwfl *dwfl, int fd, const char *path, struct offsets *offsets)
{
	Dwfl_Module *module;
	Dwarf_Addr bias;
	Dwarf *dwarf;
	int copy = dup(fd);

	module = dwfl_report_offline(dwfl, path, path, copy);
	dwfl_report_end(dwfl, NULL, NULL);
	if (module == NULL) {
		close(copy);
		return false;
	}
	dwarf = dwfl_module_getdwarf(module, &bias);
	return dwarf != NULL && find_in_units(dwarf, offsets);
}

int dwarf_offsets(int fd, const char *path, struct offsets *offsets)
{
	static char *default_path;
	static const Dwfl_Callbacks callbacks = {
	    .find_debuginfo = dwfl_standard_find_debuginfo,
	    .section_address = dwfl_offline_section_address,
	    .debuginfo_path = &default_path,
	};
	Dwfl *dwfl;
	bool found;

	/* Nothing is asked of a server. */
	unsetenv("DEBUGINFOD_URLS");
	dwfl = dwfl_begin(&callbacks);
	if (dwfl == NULL)
		return -1;
	found = find_in_module(dwfl, fd, path, offsets);
	dwfl_end(dwfl);
	return found ? 0 : -1;
}
