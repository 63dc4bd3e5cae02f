export function instrument(
  text: string,
  fileName: string,
  first: number,
): { readonly text: string; readonly count: number }
