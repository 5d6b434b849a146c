/* The note of our worker in an executable that anything may have made. */
#include "config.h"

#include <elf.h>
#include <gelf.h>
#include <sys/mman.h>

#include "probe/note.h"
#include "tests/unit.h"

#define WORD	sizeof(uint32_t)
#define FOUND	0
#define NOTHING (-1)

static const struct {
	uint32_t section, size, type;
	char owner[8];
	int result;
} notes[] = {
    {SHT_NOTE, 2 * WORD, 1, "readyd", FOUND},
    /* What a later version may append. */
    {SHT_NOTE, 3 * WORD, 1, "readyd", FOUND},
    {SHT_NOTE, 2 * WORD - 1, 1, "readyd", NOTHING},
    {SHT_NOTE, WORD, 1, "readyd", NOTHING},
    {SHT_NOTE, 0, 1, "readyd", NOTHING},
    {SHT_NOTE, 2 * WORD, 2, "readyd", NOTHING},
    {SHT_NOTE, 2 * WORD, 1, "readyx", NOTHING},
    {SHT_NOTE, 2 * WORD, 1, "ready", NOTHING},
    {SHT_PROGBITS, 2 * WORD, 1, "readyd", NOTHING},
};

/* An executable that has one section; its bytes go on after the description. */
struct executable {
	Elf64_Ehdr header;
	Elf64_Shdr sections[2];
	Elf64_Nhdr note;
	char owner[8];
	uint32_t description[4];
};

static int write_executable(int i)
{
	const size_t begin = offsetof(struct executable, note);
	struct executable image = {
	    .header = {.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_shoff = offsetof(struct executable, sections),
		.e_ehsize = sizeof(image.header),
		.e_shentsize = sizeof(image.sections[0]),
		.e_shnum = UNIT_COUNT(image.sections)},
	    .sections = {{.sh_type = SHT_NULL},
		{.sh_type = notes[i].section, .sh_addralign = WORD, .sh_offset = begin}},
	    .note = {(uint32_t)strlen(notes[i].owner) + 1, notes[i].size, notes[i].type},
	    .description = {0x120, 0x128, 0x130, 0x138},
	};
	int fd = memfd_create("executable", MFD_CLOEXEC);

	memcpy(image.header.e_ident,
	    (const unsigned char[]){0x7f, 'E', 'L', 'F', ELFCLASS64,
		__BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB, EV_CURRENT},
	    EI_OSABI);
	memcpy(image.owner, notes[i].owner, sizeof(image.owner));
	image.sections[1].sh_size =
	    offsetof(struct executable, description) - begin + (notes[i].size + WORD - 1) / WORD * WORD;
	ck_assert_int_eq(write(fd, &image, sizeof(image)), (ssize_t)sizeof(image));
	return fd;
}

START_TEST(note_has_both_offsets)
{
	struct offsets offsets = {1, 2};
	int fd = write_executable(_i);

	ck_assert_uint_ne(elf_version(EV_CURRENT), EV_NONE);
	ck_assert_int_eq(note_offsets(fd, &offsets), notes[_i].result);
	ck_assert_uint_eq(offsets.allocated, notes[_i].result == FOUND ? 0x120 : 1);
	ck_assert_uint_eq(offsets.deallocated, notes[_i].result == FOUND ? 0x128 : 2);
	close(fd);
}
END_TEST

/* The searches of a note end. */
START_TEST(file_is_not_an_executable)
{
	int fd = memfd_create("text", MFD_CLOEXEC);
	struct offsets offsets;

	ck_assert_uint_ne(elf_version(EV_CURRENT), EV_NONE);
	ck_assert_int_eq(note_offsets(fd, &offsets), NOTHING);
	ck_assert_int_eq(write(fd, "text", 4), 4);
	ck_assert_int_eq(note_offsets(fd, &offsets), NOTHING);
	close(fd);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("note");
	TCase *tcase = unit_case(s, "note");

	tcase_add_loop_test(tcase, note_has_both_offsets, 0, UNIT_COUNT(notes));
	tcase_add_test(tcase, file_is_not_an_executable);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
