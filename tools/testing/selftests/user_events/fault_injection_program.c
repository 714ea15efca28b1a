// SPDX-License-Identifier: GPL-2.0
/* What fault_injection_test executes: static, to take as little memory as can be. */

int main(void)
{
	return 0;
}
