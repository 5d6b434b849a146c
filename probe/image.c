#include <gelf.h>
#include <string.h>

#include "probe/image.h"

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#endif

/* Whether name is wanted, or ends with it and an underscore before: jemalloc can be built with a prefix. */
static bool has_suffix(const char *name, const char *wanted)
{
	const size_t length = strlen(name), tail = strlen(wanted);

	if (length < tail || strcmp(name + length - tail, wanted) != 0)
		return false;
	return length == tail || name[length - tail - 1] == '_';
}

/* The first symbol of this type that the section's table defines. */
static bool find_in_table(
    Elf *elf, Elf_Scn *section, const GElf_Shdr *header, const char *wanted, int type, GElf_Sym *symbol)
{
	Elf_Data *data = elf_getdata(section, NULL);
	const size_t count = header->sh_entsize == 0 ? 0 : header->sh_size / header->sh_entsize;
	const char *name;

	for (size_t i = 0; data != NULL && i < count; i++) {
		if (gelf_getsym(data, (int)i, symbol) == NULL)
			return false;
		if (GELF_ST_TYPE(symbol->st_info) != type || symbol->st_shndx == SHN_UNDEF)
			continue;
		name = elf_strptr(elf, header->sh_link, symbol->st_name);
		if (name != NULL && has_suffix(name, wanted))
			return true;
	}
	return false;
}

static bool find_symbol(Elf *elf, unsigned table, const char *wanted, int type, GElf_Sym *symbol)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section)) != NULL)
		if (gelf_getshdr(section, &header) != NULL && header.sh_type == table &&
		    find_in_table(elf, section, &header, wanted, type, symbol))
			return true;
	return false;
}

static bool find_thread_state(Elf *elf, GElf_Sym *symbol)
{
	return find_symbol(elf, SHT_SYMTAB, "tsd_tls", STT_TLS, symbol) ||
	       find_symbol(elf, SHT_DYNSYM, "tsd_tls", STT_TLS, symbol);
}

static bool find_tls_segment(Elf *elf, struct tls_layout *layout)
{
	size_t count = 0;
	GElf_Phdr header;

	if (elf_getphdrnum(elf, &count) != 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (gelf_getphdr(elf, (int)i, &header) == NULL || header.p_type != PT_TLS)
			continue;
		layout->memsz = header.p_memsz;
		layout->align = header.p_align;
		return true;
	}
	return false;
}

static int read_layout(Elf *elf, const char *path, struct tls_layout *layout, struct failure *failure)
{
	GElf_Ehdr header;
	GElf_Sym symbol;

	if (gelf_getehdr(elf, &header) == NULL)
		return failure_set(
		    failure, FAILURE_JEMALLOC_NOT_FOUND, "%s is not an ELF file: %s", path, elf_errmsg(-1));
	if (!find_thread_state(elf, &symbol) || !find_tls_segment(elf, layout))
		return failure_set(failure, FAILURE_JEMALLOC_NOT_FOUND,
		    "%s has no thread-local symbol [<prefix>_]tsd_tls: it is not linked with jemalloc, or is "
		    "stripped of its symbols",
		    path);
	if (header.e_machine != OWN_MACHINE || gelf_getclass(elf) != ELFCLASS64)
		return failure_set(failure, FAILURE_ARCH_MISMATCH,
		    "%s is for ELF machine %u, and this probe for %u; use a probe that is built for it", path,
		    header.e_machine, OWN_MACHINE);
	layout->machine = header.e_machine;
	layout->symbol = symbol.st_value;
	return 0;
}

int image_layout(int fd, const char *path, struct tls_layout *layout, struct failure *failure)
{
	Elf *elf;
	int result;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	result = read_layout(elf, path, layout, failure);
	elf_end(elf);
	return result;
}

bool image_has_jemalloc(int fd)
{
	GElf_Sym symbol;
	Elf *elf;
	bool has;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	has = find_thread_state(elf, &symbol) || find_symbol(elf, SHT_DYNSYM, "mallctl", STT_FUNC, &symbol);
	elf_end(elf);
	return has;
}
