/*
 * A boot sector that writes its disk full of what is in memory, 32 KiB at a time, and
 * begins anew at the end: a guest that needs room on its datastore.
 */
	.section .rodata
	.globl disk_writer_sector
	.type disk_writer_sector, @object
disk_writer_sector:
	.code16
	cli
	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %ss
	movw $0x7c00, %sp
	movw $0x1000, %ax
	movw %ax, %es
	sti
again:
	movb $0, %ch		/* cylinder */
	movb $1, %dh		/* head; the first track holds this code */
next:
	movw $0x033f, %ax	/* write 63 sectors */
	xorw %bx, %bx
	movb $1, %cl
	movb $0x80, %dl
	int $0x13
	incb %dh
	cmpb $16, %dh
	jb next
	movb $0, %dh
	incb %ch
	cmpb $30, %ch
	jb next
	jmp again
	.org disk_writer_sector + 510
	.word 0xaa55
	.size disk_writer_sector, . - disk_writer_sector
	.section .note.GNU-stack, "", @progbits
