/*
 * A boot sector that says "writing" on its console, then writes to each page of 32 MB of
 * its memory, again and again: more than a slow wire takes.
 */
#define BASE  0x100000
#define END   0x2100000
#define PAGE  0x1000
#define CODE  0x08
#define DATA  0x10

	.section .rodata
	.globl memory_writer_sector
	.balign 16
memory_writer_sector:
	.code16
1:	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	inb	$0x92, %al
	orb	$2, %al
	outb	%al, $0x92
	lgdtl	0x7c00 + (gdt_desc - 1b)
	movl	%cr0, %eax
	orl	$1, %eax
	movl	%eax, %cr0
	ljmpl	$CODE, $(0x7c00 + (flat - 1b))
	.code32
flat:	movw	$DATA, %ax
	movw	%ax, %ds
	movl	$0x7c00 + (said - 1b), %esi
	movw	$0x3f8, %dx
	movl	$8, %ecx
say:	lodsb
	outb	%al, %dx
	loop	say
again:	movl	$BASE, %edi
next:	incl	(%edi)
	addl	$PAGE, %edi
	cmpl	$END, %edi
	jb	next
	jmp	again
said:	.ascii	"writing\n"
	.balign 8
gdt:	.quad	0
	.quad	0x00cf9a000000ffff
	.quad	0x00cf92000000ffff
gdt_desc:
	.word	23
	.long	0x7c00 + (gdt - 1b)
	.fill	510 - (. - 1b), 1, 0
	.word	0xaa55
	.section .note.GNU-stack, "", @progbits
